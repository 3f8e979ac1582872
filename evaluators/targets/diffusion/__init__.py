"""Diffusion models as targets: how they are sampled and trained, judged by exact distances to known distributions."""
