"""Evidence that people attach to a card: files, links, notes and logged talks."""
