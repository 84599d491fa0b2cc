"""Work that passes from team to team with its context."""
