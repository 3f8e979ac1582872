"""Models of the objective and how to search them. Knows arrays and the search space, no ledger and no endpoint."""
