"""Strategies from the literature, each an option; what each is worth stands in ``benchmarks/``."""
