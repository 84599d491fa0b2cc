"""Messages of playbooks: checked when published, filled in when sent (E14)."""
