"""Cards and their stage visits. Only `governance/moves` writes a card's stage."""
