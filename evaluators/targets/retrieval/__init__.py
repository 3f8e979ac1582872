"""Retrieval and data as targets: interest in long histories, negatives for dense retrieval, mixtures of training data."""
