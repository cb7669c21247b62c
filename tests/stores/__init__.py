"""Where a snapshot outlives the process, each with all that the others promise."""
