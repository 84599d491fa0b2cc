"""Customer organizations and the people in them."""
