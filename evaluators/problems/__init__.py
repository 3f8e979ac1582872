"""What is optimized and what was seen: the problem, one measurement, the history of trials."""
