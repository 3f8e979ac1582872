"""Clients of OpenAI-compatible endpoints: requests with a deadline, chat completions, recorded exchanges."""
