"""Asking clients: opening a request, mailing its link, taking the answer, and what staff do about it (E8)."""
