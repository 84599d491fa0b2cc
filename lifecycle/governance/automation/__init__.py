"""Performing what rules have been set off to do, after the change that set them off is safe (E12)."""
