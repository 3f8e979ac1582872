"""The commands around vLLM: tune it, hand its configuration over, serve a model."""
