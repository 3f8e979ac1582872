"""Evaluators that run somebody's code: a function, a command, and what is read from either."""
