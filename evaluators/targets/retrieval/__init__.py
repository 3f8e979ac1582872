"""Retrieval and data as targets: interest in long histories, dense retrieval now and later, mixtures of training data."""
