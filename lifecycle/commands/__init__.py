"""The commands of the `lifecycle` console script, one file a group."""
