"""One small expression language: relations between parameters, limits on results, rules that a model writes.

Numbers, names, quoted text, ``True False None``; ``+ - * /``; ``< <= > >= == !=`` (chains allowed); ``and or not``;
parentheses. No powers, no calls, no attributes, at most 500 characters and 100 terms: an expression cannot do harm
and always ends. A name that is not an identifier stands in backquotes: ```learning-rate` < 0.1``. Knows nothing of
search spaces. Evaluation is on numpy columns or on single values; a division by zero gives None; None equals None,
and any other comparison with it is false. Source of the parser's form: Pratt, "Top down operator precedence", 1973.
"""

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..errors import InvalidSpace
from .base import is_text

MAX_CHARACTERS = 500
MAX_TERMS = 100
"""Together they bound the parser's recursion far below Python's limit."""

_TOKEN = re.compile(
    r"\s*+(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<name>[^\W\d]\w*)|`(?P<quoted>[^`]+)`"
    r"|(?P<text>'[^']*'|\"[^\"]*\")"
    r"|(?P<op><=|>=|==|!=|[-+*/<>()]))"
)
_CONSTANTS = {"True": True, "true": True, "False": False, "false": False, "None": None, "null": None}
_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
_ORDERINGS = frozenset({"<", "<=", ">", ">="})


def _divide(a: Any, b: Any) -> Any:  # Any: columns or numbers
    with np.errstate(divide="ignore", invalid="ignore"):
        quotient = np.divide(a, b)
        return np.where(np.isfinite(quotient), quotient, np.nan)


_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": _divide,
}
_PRECEDENCE = {"or": 1, "and": 2, **dict.fromkeys(_COMPARISONS, 4), "+": 5, "-": 5, "*": 6, "/": 6}
_NOT, _SIGN = 3, 7


@dataclass(frozen=True, slots=True)
class Constant:
    """A number, text, True, False or None."""

    value: bool | int | float | str | None


@dataclass(frozen=True, slots=True)
class Name:
    """A value looked up by name."""

    name: str


@dataclass(frozen=True, slots=True)
class Unary:
    """``not x`` or ``-x``."""

    op: str
    operand: "Node"


@dataclass(frozen=True, slots=True)
class Binary:
    """Arithmetic, a comparison, ``and`` or ``or``."""

    op: str
    left: "Node"
    right: "Node"


Node = Constant | Name | Unary | Binary


@dataclass(frozen=True)
class Expression:
    """A parsed expression; equal when written equally."""

    text: str
    tree: Node

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names it mentions, each once, in the order of their first use."""
        return tuple(dict.fromkeys(n.name for n in nodes(self.tree) if isinstance(n, Name)))

    @property
    def is_boolean(self) -> bool:
        """Whether it is a comparison or a combination of comparisons."""
        return _is_boolean(self.tree)

    @cached_property
    def numeric_names(self) -> frozenset[str]:
        """Names that must be numbers: operands of arithmetic and of ``< <= > >=``."""
        operands = (side for node in nodes(self.tree) for side in _numeric_operands(node))
        return frozenset(side.name for side in operands if isinstance(side, Name))

    def evaluate(self, values: Mapping[str, Any]) -> Any:
        """Return its value; ``values``: one number, text or numpy column of equal length per name in ``names``."""
        return _evaluate(self.tree, values)

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Return its truth for single values."""
        return bool(_evaluate(self.tree, values))


def parse(text: str) -> Expression:
    """Return the expression written in ``text``.

    Raises InvalidSpace with the position of what is not understood.
    """
    if not is_text(text) or not text.strip():
        raise InvalidSpace(f"An expression must be text such as 'low <= high', got {text!r}.")
    if len(text) > MAX_CHARACTERS:
        raise InvalidSpace(
            f"An expression has at most {MAX_CHARACTERS} characters, got {len(text)}; split it into several."
        )
    tokens = tuple(_tokens(text))
    if len(tokens) > MAX_TERMS:
        raise InvalidSpace(
            f"An expression has at most {MAX_TERMS} terms, got {len(tokens)} in {text!r}; split it into several."
        )
    parser = _Parser(text, tokens)
    tree = parser.expression(0)
    parser.finish()
    expression = Expression(text.strip(), tree)
    _check_kinds(expression)
    return expression


def nodes(tree: Node) -> Iterator[Node]:
    """Yield every node of a tree, from the root, left to right."""
    yield tree
    if isinstance(tree, Unary):
        yield from nodes(tree.operand)
    elif isinstance(tree, Binary):
        yield from nodes(tree.left)
        yield from nodes(tree.right)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    position: int


def _tokens(text: str) -> Iterator[_Token]:
    position = 0
    while text[position:].strip():
        match = _TOKEN.match(text, position)
        if match is None:
            where = position + len(text[position:]) - len(text[position:].lstrip())
            raise InvalidSpace(
                f"`{text}` is not understood at character {where + 1} ({text[where : where + 10]!r}); allowed are "
                "numbers, names, quoted text, + - * /, comparisons, and, or, not, parentheses."
            )
        kind = match.lastgroup or ""
        value = match.group(kind)
        if kind == "name" and value in {"and", "or", "not"}:
            kind = "op"
        yield _Token(kind, value, match.start(kind))
        position = match.end()


class _Parser:
    """Reads tokens from left to right; ``expression(minimum)`` takes all operators that bind tighter than
    ``minimum``."""

    def __init__(self, text: str, tokens: tuple[_Token, ...]) -> None:
        self._text = text
        self._tokens = tokens
        self._next = 0

    def expression(self, minimum: int) -> Node:
        left = self._prefix()
        while (op := self._peek_op()) and _PRECEDENCE.get(op, 0) > minimum:
            if op in _COMPARISONS:
                left = self._comparisons(left)
            else:
                self._next += 1
                left = Binary(op, left, self.expression(_PRECEDENCE[op]))
        return left

    def finish(self) -> None:
        if self._next < len(self._tokens):
            self._refuse(self._tokens[self._next])

    def _comparisons(self, left: Node) -> Node:
        """Read ``a < b < c`` as ``a < b and b < c``."""
        chain: Node | None = None
        while (op := self._peek_op()) in _COMPARISONS:
            self._next += 1
            right = self.expression(_PRECEDENCE[op])
            link = Binary(op, left, right)
            chain = link if chain is None else Binary("and", chain, link)
            left = right
        assert chain is not None
        return chain

    def _prefix(self) -> Node:
        if self._next == len(self._tokens):
            raise InvalidSpace(f"`{self._text}` ends too early: an operand is missing.")
        token = self._tokens[self._next]
        self._next += 1
        if token.kind == "number":
            return Constant(float(token.text) if re.search(r"[.eE]", token.text) else int(token.text))
        if token.kind == "text":
            return Constant(token.text[1:-1])
        if token.kind == "quoted":
            return Name(token.text)
        if token.kind == "name":
            return Constant(_CONSTANTS[token.text]) if token.text in _CONSTANTS else Name(token.text)
        if token.text == "(":
            return self._parenthesis()
        if token.text == "not":
            return Unary("not", self.expression(_NOT))
        if token.text in "+-":
            operand = self.expression(_SIGN)
            return operand if token.text == "+" else Unary("-", operand)
        return self._refuse(token)

    def _parenthesis(self) -> Node:
        inner = self.expression(0)
        if self._peek_op() != ")":
            raise InvalidSpace(f"`{self._text}` has a parenthesis that is not closed.")
        self._next += 1
        return inner

    def _peek_op(self) -> str:
        if self._next < len(self._tokens) and self._tokens[self._next].kind == "op":
            return self._tokens[self._next].text
        return ""

    def _refuse(self, token: _Token) -> Node:
        hint = "; there are no calls" if token.text == "(" else ""
        raise InvalidSpace(
            f"`{self._text}` is not understood at character {token.position + 1} ({token.text!r}){hint}."
        )


def _is_boolean(node: Node) -> bool:
    if isinstance(node, Binary):
        return node.op in _COMPARISONS or node.op in {"and", "or"}
    return isinstance(node, Unary) and node.op == "not"


def _check_kinds(expression: Expression) -> None:
    """Refuse arithmetic on truth values and text, which would evaluate to something nobody meant."""
    for node in nodes(expression.tree):
        for side in _numeric_operands(node):
            text = isinstance(side, Constant) and (side.value is None or isinstance(side.value, str | bool))
            if text or _is_boolean(side):
                raise InvalidSpace(
                    f"`{expression.text}`: {getattr(node, 'op', '')!r} works on numbers only; "
                    "compare text with == or !=, combine comparisons with and, or."
                )


def _numeric_operands(node: Node) -> tuple[Node, ...]:
    """Return the operands that must be numbers."""
    if isinstance(node, Binary) and (node.op in _ARITHMETIC or node.op in _ORDERINGS):
        return node.left, node.right
    return (node.operand,) if isinstance(node, Unary) and node.op == "-" else ()


def _evaluate(node: Node, values: Mapping[str, Any]) -> Any:
    if isinstance(node, Constant):
        return node.value
    if isinstance(node, Name):
        return values[node.name]
    if isinstance(node, Unary):
        operand = _evaluate(node.operand, values)
        return np.logical_not(operand) if node.op == "not" else operator.neg(operand)
    left, right = _evaluate(node.left, values), _evaluate(node.right, values)
    if node.op in {"==", "!="}:
        same = np.logical_or(left == right, np.logical_and(_is_none(left), _is_none(right)))
        return same if node.op == "==" else np.logical_not(same)
    if node.op == "and":
        return np.logical_and(left, right)
    if node.op == "or":
        return np.logical_or(left, right)
    if node.op in _COMPARISONS:
        return _COMPARISONS[node.op](left, right)
    return _ARITHMETIC[node.op](left, right)


def _is_none(value: Any) -> Any:
    """Return where a value or column is None, which stands as NaN among numbers."""
    if isinstance(value, np.ndarray) and value.dtype == object:
        return np.array([v is None for v in value.tolist()], bool)
    return np.isnan(value) if isinstance(value, np.ndarray | float) else np.bool_(value is None)
