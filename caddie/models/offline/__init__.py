"""The offline model: deterministic, without a network, on the same protocol and tools as any other model."""
