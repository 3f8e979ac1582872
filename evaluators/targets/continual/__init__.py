"""Continual learning as a target: sequences of tasks, methods that do not forget, and networks for all tasks at once."""
