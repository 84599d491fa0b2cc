"""Saved views: a board's filter under a name."""
