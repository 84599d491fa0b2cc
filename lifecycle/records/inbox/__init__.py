"""Notices to users, in the app."""
