"""Stored files. The bytes live in PostgreSQL, so that a file commits and is backed up with its cause."""
