"""The league: suites that others made, beside the runs that others published on them."""
