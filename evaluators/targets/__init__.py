"""Evaluators of our own: recorded tables, scikit-learn models, Hugging Face pipelines."""
