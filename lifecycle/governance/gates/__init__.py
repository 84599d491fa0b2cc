"""Gates: which checks stand between two stages, and whether they pass. Reads only, never writes."""
