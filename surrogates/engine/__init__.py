"""The engine: history in, belief and suggestion out."""
