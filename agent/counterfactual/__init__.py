"""What a planner was worth in a study: the same study without it, trial for trial."""
