"""Rules: what they wait for, what they may do, and which of them an event matches (E12)."""
