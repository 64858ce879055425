"""What the blocks do, one module per kind of work; each gives its runners by block type."""
