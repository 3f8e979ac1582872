"""The problem: search space, objectives, constraints, measurements, history values, and every target."""
