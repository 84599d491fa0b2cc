"""The check types: one small class in one file, named after its keyword in a playbook (E4)."""
