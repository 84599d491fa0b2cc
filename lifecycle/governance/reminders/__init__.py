"""Reminders and alerts at their time: asked whether they are still needed, then sent once (E11, E15)."""
