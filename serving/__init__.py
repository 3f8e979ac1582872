"""Language models that are served: endpoint client, embedded model, vLLM process. Imports no other room."""
