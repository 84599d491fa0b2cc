"""Tasks of a card and the ticks on its checklists."""
