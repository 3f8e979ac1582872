"""What is known of vLLM: where it is installed, its parameters, what it can do."""
