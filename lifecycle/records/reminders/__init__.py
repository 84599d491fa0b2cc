"""What somebody is to be reminded of, and when."""
