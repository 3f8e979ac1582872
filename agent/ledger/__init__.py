"""Where results are written: the database, its schema, trials, claims, leases, events."""
