"""What rules did: one row for each time a rule fired."""
