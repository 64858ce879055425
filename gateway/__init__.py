"""The HTTP gateway: authenticates, validates, submits and reads; it never executes a run itself."""
