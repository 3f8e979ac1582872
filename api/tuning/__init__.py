"""The commands around servers of language models: tune vLLM, llama.cpp or SGLang, hand a configuration over, serve a model."""
