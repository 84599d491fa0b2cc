"""What is asked of a client, and how it was answered."""
