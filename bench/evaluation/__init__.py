"""Requests with checks on the workflow they leave behind, for any model: `python -m bench.evaluation`."""
