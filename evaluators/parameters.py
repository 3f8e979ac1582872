"""The three kinds of parameter under one roof; ``Parameter`` is any of them."""

from .categorical import Categorical
from .definitions import Choice
from .numeric import Float, Int

Parameter = Float | Int | Categorical

__all__ = ["Categorical", "Choice", "Float", "Int", "Parameter"]
