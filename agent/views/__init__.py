"""What is read from a study: counts, the best trials, JSON."""
