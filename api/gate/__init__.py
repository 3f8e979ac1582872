"""PASS, FAIL or INCONCLUSIVE: two sides of a change, from the files that load generators wrote."""
