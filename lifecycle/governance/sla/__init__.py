"""The clock of a stage visit: deadlines in business time, paused while waiting on the client (E11)."""
