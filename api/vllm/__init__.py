"""The commands around vLLM: tune it, or llama.cpp's server, hand a configuration over, serve a model."""
