"""Stage reports: where cards stand, how they got there, and how long it took (L10, L11)."""
