"""The three kinds of parameter under one roof; ``Parameter`` is any of them."""

from .base import Choice
from .categorical import Categorical
from .numeric import Float, Int

Parameter = Float | Int | Categorical

__all__ = ["Categorical", "Choice", "Float", "Int", "Parameter"]
