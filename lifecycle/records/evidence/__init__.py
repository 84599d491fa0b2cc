"""The append-only evidence log: events in hash chains, one chain per account and three for the rest."""
