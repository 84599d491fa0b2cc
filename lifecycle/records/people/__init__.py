"""People who work here: users, their departments, roles and permissions."""
