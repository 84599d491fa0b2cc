"""Handing work from one pipeline to the next, with its context, to be accepted or returned (E17)."""
