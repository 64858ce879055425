"""The turn: one async iterator of events from a user's message to the run's end."""
