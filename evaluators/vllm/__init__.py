"""vLLM as the server that is tuned: its search space, and what its models need."""
