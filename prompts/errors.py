"""Errors of answers: what a model must do better. Their text goes back to the model, once."""

from ..serving.errors import TrialogueError


class ModelAnswerInvalid(TrialogueError):
    """A model's answer cannot be used. The message is written for the model: what is wrong, and what would be right."""
