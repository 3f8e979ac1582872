"""A vLLM server as the thing that is tuned: settings, servers, loads, what is measured."""
