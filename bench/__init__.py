"""The measured comparison of socket delivery with its peers: `python -m bench`. Method: docs/benchmarks.md."""
