"""SMS: what a short text costs, and the providers that carry it."""
