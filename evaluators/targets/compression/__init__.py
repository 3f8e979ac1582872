"""Smaller networks as targets: pruning, sharing of weights, masks per input, and pruning of what fine-tuning changed."""
