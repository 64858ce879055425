"""The contract between the gateway and caddie: what both processes must agree on, and nothing else."""
