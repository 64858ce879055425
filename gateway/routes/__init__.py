"""One module per surface: body models, and thin handlers that call the shared parts."""
