"""What a playbook can say: the compiled types, the written form, and how one becomes the other."""
