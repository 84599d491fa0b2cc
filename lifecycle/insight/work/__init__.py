"""What waits for a person or a department: their work, and their inbox, in a constant number of queries."""
