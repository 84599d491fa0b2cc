"""Meetings: agenda, attendees of both sides, notes, decisions, and outcomes that become tasks (E28)."""
