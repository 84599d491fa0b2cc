"""The books: what must be true of the rows whatever was killed, cut off or done twice (R1-R8)."""
