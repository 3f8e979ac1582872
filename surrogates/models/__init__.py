"""Models of one outcome: the Gaussian process with its mean and transforms, and the chance of failure."""
