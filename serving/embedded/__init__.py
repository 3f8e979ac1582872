"""The small language model that ships with the package: its forward pass, its weights, and how a server answers for it."""
