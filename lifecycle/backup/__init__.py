"""Backup and restore of a whole installation: its database, in one file that proves to be whole."""
