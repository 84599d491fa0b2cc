"""The only room that writes a card's stage: one function moves cards (E5)."""
