"""Legal documents as they were published, version by version."""
