"""Engines whose servers can be tuned: what a tuning needs of one, and one that is simulated."""
