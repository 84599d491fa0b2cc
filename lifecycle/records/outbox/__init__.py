"""The outbox: messages committed with the change that caused them, delivered after it."""
