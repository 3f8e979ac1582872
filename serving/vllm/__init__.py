"""vLLM as a process: its environment, its options, how it starts, fails and is loaded."""
