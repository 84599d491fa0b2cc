"""How each action of a rule is done; one file each, named after its keyword."""
