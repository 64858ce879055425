"""The seam to language models: one small protocol, and its Anthropic, OpenAI-compatible and offline forms."""
