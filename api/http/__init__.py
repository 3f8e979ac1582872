"""What every route stands on: rights, the queue of work, paths with names in them, and answers as JSON."""
