"""Playbooks: read a folder, compile it, publish it as a revision, look a revision up, examine it."""
