"""Learning rates over a training, as values that PyTorch's schedulers take."""
