"""Imports of cards from CSV: map, dry run, row-by-row errors, history backfilled, withdrawn whole."""
