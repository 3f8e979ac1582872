"""The result in what a program prints: the last number or object, in the costumes that programs give them.

A line is a result when nothing else stands on it: a number (``0.5``, ``+1``, ``.5``, ``nan``), a JSON object, a Python
dict, ``tensor(0.5)``, each after the prefix of a logger and between colours. An object may go over several lines.
Lists and text are output like any other. Knows nothing of what a result means.
"""

import ast
import json
import re
from collections import deque
from collections.abc import Sequence
from typing import Any

Value = dict[Any, Any] | float | int

_COLOURS = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])|[\ufeff\u200b\0]")
_GRADIENT = re.compile(r",\s*grad_fn=<[^<>]*>")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_STAMP = r"[\[(]?\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?[\])]?(?!:?\d)"
_LEVEL = r"[\[(]?(?:DEBUG|INFO|WARNING|WARN|ERROR|CRITICAL)[\])]?"
_SEPARATOR = r"(?:\s{0,9}[|:-]\s{0,9}|\s{1,9}|(?=\[))"
_LOGGER = re.compile(
    rf"(?:{_STAMP}{_SEPARATOR})?(?:[\w.]{{1,100}} - )?{_LEVEL}{_SEPARATOR}(?:[\w.:<>]{{1,100}}(?::(?=\S)| - | \| ))?"
    rf"|{_STAMP}{_SEPARATOR}"
)
_WORDS = {
    "nan": float("nan"),
    "inf": float("inf"),
    "infinity": float("inf"),
    "true": True,
    "false": False,
    "null": None,
}
_SCALARS = re.compile(r"tensor|[aA]rray|DeviceArray|Decimal|Fraction|u?int\d*|b?float\d*|str_|bool_?")
"""Names whose call, as ``np.float64(0.5)``, means its first argument."""
LONGEST = 200_000
"""Characters of one result."""
_MOST_LINES = 5_000
"""Lines of one object."""
_MOST_STARTS = 20
"""Lines on which an object that ends here may have begun, and ends that are tried."""


class Output:
    """Collects the lines of one program; ``result()`` is the last result among them."""

    def __init__(self) -> None:
        self._tail: deque[str] = deque()
        self._size = 0
        self._last: Value | None = None

    def add(self, text: str) -> Value | None:
        """Take one line; return the value that stands on it, if one does."""
        line = bare(text)
        if not line:
            return None
        self._tail.append(line)
        self._size += len(line)
        while self._size > LONGEST and len(self._tail) > 1:
            self._size -= len(self._tail.popleft())
        value = value_of(line)
        self._last = self._last if value is None or is_report(value) else value
        return value

    def result(self) -> Value | None:
        """Return the last result: an object over several lines, or what stands on one line; None where there is none."""
        lines, ends = list(self._tail), 0
        for end in range(len(lines) - 1, -1, -1):
            value = value_of(lines[end])
            if value is None and lines[end].endswith("}") and ends < _MOST_STARTS:
                value, ends = _over_lines(lines[max(0, end + 1 - _MOST_LINES) : end + 1]), ends + 1
            if value is not None and not is_report(value):
                return value
        return self._last if self._last is not None else _labelled(self.last_line)

    @property
    def last_line(self) -> str:
        """The last line that is not empty."""
        return self._tail[-1] if self._tail else ""


def is_report(found: Value) -> bool:
    """Return whether an object reports progress: a step and its value. A step among results is a result."""
    return isinstance(found, dict) and "step" in found and ("value" in found or len(found) == 1)


def bare(text: str) -> str:
    """Return a line without colours, and what a progress bar left of it."""
    parts = [part.strip() for part in _COLOURS.sub("", text).split("\r")]
    return next((part for part in reversed(parts) if part), "")


def value_of(line: str) -> Value | None:
    """Return the number or object that a bare line is, with or without the prefix of a logger."""
    value = _alone(line)
    if value is None and (prefix := _LOGGER.match(line)) is not None:
        value = _alone(line[prefix.end() :])
    return value


def _alone(text: str) -> Value | None:
    if not text or len(text) > LONGEST:
        return None
    if _NUMBER.fullmatch(text) and len(text) < 40:
        return float(text) if not text.isdigit() else int(text)
    if text.lstrip("+-").lower() in ("nan", "inf", "infinity"):
        return float(text)
    if text[0] == "{" or text[0].isdigit() or text[0] == "-":
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict | int | float) and not isinstance(value, bool):
            return value
    called = text[-1] == ")" and _SCALARS.fullmatch(text[: text.find("(")].rpartition(".")[2])
    return _of_python(text) if text[0] == "{" or called else None


def _of_python(text: str) -> Value | None:
    """Return the dict or scalar that a Python program printed."""
    try:
        value = _meant(ast.parse(_GRADIENT.sub("", text.strip()), mode="eval").body)
    except (SyntaxError, ValueError, TypeError, ArithmeticError, RecursionError, MemoryError):
        return None
    return value if isinstance(value, dict | int | float) and not isinstance(value, bool) else None


def _meant(node: ast.expr) -> Any:
    """Return what a literal means, scalars of other libraries included. Raises ValueError for any other expression."""
    match node:
        case ast.Constant(value):
            return value
        case ast.UnaryOp(ast.USub(), operand):
            return -_meant(operand)
        case ast.UnaryOp(ast.UAdd(), operand):
            return +_meant(operand)
        case ast.Dict(keys, values):
            pairs = zip(keys, values, strict=True)
            return {_meant(k): _meant(v) for k, v in pairs if k is not None}
        case ast.List(items) | ast.Tuple(items):
            return [_meant(item) for item in items]
        case ast.Name(name) if name.lower() in _WORDS:
            return _WORDS[name.lower()]
        case ast.Call(ast.Name("Fraction") | ast.Attribute(attr="Fraction"), [above, below]):
            return float(_meant(above)) / float(_meant(below))
        case ast.Call(ast.Name(name) | ast.Attribute(attr=name), [first]) if _SCALARS.fullmatch(name):
            return _scalar(_meant(first))
        case _:
            raise ValueError(f"no literal: {ast.dump(node):.100}")


def _scalar(value: Any) -> Any:
    if isinstance(value, list) and len(value) == 1:
        return _scalar(value[0])
    return float(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else value


def _over_lines(lines: Sequence[str]) -> Value | None:
    """Return the object that ends with the last of these lines and began on one before."""
    starts = 0
    for start in range(len(lines) - 2, -1, -1):
        begin = lines[start].find("{") if _LOGGER.match(lines[start]) else 0
        if lines[start][begin : begin + 1] == "{":
            value = _alone("\n".join([lines[start][begin:], *lines[start + 1 :]]))
            if value is not None:
                return value
            starts += 1
            if starts == _MOST_STARTS:
                return None
    return None


def _labelled(line: str) -> Value | None:
    """Return the object at the end of a line such as ``metrics: {"loss": 0.5}``: its names say what it is."""
    begin = line.find("{")
    value = _alone(line[begin:]) if begin > 0 else None
    return value if isinstance(value, dict) and not is_report(value) else None
