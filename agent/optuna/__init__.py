"""Optuna's side: its tables beside ours, its pruners, and us as a sampler of its studies."""
