"""Cards under governance: reading them with their playbook, and changing what is not their stage."""
