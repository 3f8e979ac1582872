"""Traffic for a served model: which requests arrive, and when."""
