"""Internal approvals: asked for, decided by a role, tied to a hash of what was approved."""
