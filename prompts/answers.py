"""Reads a model's answer: text to raw proposals. What is inside ``params`` is checked by ``prompts/wire.py``.

The text is untrusted. It is read as JSON or a near relative of it (``prompts/json_in_text.py``), and the last answer
that stands in it counts: an earlier one was a draft. Wrappers around an answer are taken off. As a last resort, where a
server has no schema support, LLAMBO's form ``## name: value, … ##`` is read. Nothing is salvaged from broken JSON, save
proposals that were whole when the server cut the answer off.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import ModelAnswerInvalid
from .json_in_text import read_json, values_in, whole_items

MAX_CHARACTERS = 400_000
_HASHED = re.compile(r"##(.*?)##", re.DOTALL)
_PAIR = re.compile(r"\s*([^,:]+?)\s*(?::|=|\bis\b)\s*(\"[^\"]*\"|[^,]+)")
_WORDS = 400
"""Characters kept of a hypothesis or an expectation."""
_WRAPPERS = 4
"""How deep inside other objects an answer may stand."""


@dataclass(frozen=True)
class RawProposal:
    """One proposal as the model wrote it; ``params`` is still unchecked."""

    params: object
    hypothesis: str = ""
    expected: str = ""
    confidence: float | None = None


@dataclass(frozen=True)
class RawAnswer:
    """One answer as the model wrote it."""

    proposals: tuple[RawProposal, ...]
    abstained: bool = False


def read_answer(text: str, *, structured: bool = True, cut_off: bool = False) -> RawAnswer:
    """Return the proposals in ``text``; ``structured``: the server was made to obey the schema, so only JSON counts.

    ``cut_off``: the server said that it ended the answer; proposals that are whole count. Raises ModelAnswerInvalid
    with what to do better.
    """
    if len(text) > MAX_CHARACTERS:
        raise ModelAnswerInvalid(
            f"The answer is too long: {len(text)} characters. Answer with one JSON object only."
        )
    try:
        values = values_in(text)
    except ValueError:
        whole = whole_items(text, "proposals") if cut_off else []
        values = [whole] if whole else []
    answers = [a for a in (_unwrapped(v) for v in values) if a is not None]
    data = answers[-1] if answers else (values or [None])[-1]
    if data is None and not structured:
        data = _hashed(text)
    if data is None:
        raise ModelAnswerInvalid(
            'The answer is not JSON. Answer with one JSON object {"proposals": [...], "abstain": false}.'
        )
    return _answer_of(data)


def _unwrapped(value: Any, deep: int = _WRAPPERS) -> Any:
    """Return the answer that ``value`` is or has inside it, or None: `{"name": …, "arguments": ANSWER}` and the like."""
    if isinstance(value, str) and deep < _WRAPPERS:
        try:
            value = read_json(value)
        except ValueError:
            return None
    if isinstance(value, list):
        are_wrappers = [isinstance(v, Mapping) and (deep == _WRAPPERS or "params" in v) for v in value]
        return value if value and all(are_wrappers) else None
    if not isinstance(value, Mapping):
        return None
    if "proposals" in value or isinstance(value.get("params"), Mapping) or value.get("abstain") is True:
        return value
    inner = [u for u in (_unwrapped(v, deep - 1) for v in value.values()) if u is not None] if deep else []
    return inner[0] if len(inner) == 1 else None


def _hashed(text: str) -> Any:
    rows = []
    for body in _HASHED.findall(text)[:50]:
        pairs = {name.strip("\"' "): _scalar(value) for name, value in _PAIR.findall(body)}
        if pairs:
            rows.append({"params": pairs})
    return rows or None


def _scalar(text: str) -> Any:
    try:
        return read_json(text.strip())
    except ValueError:
        return text.strip().strip("'\"")


def _answer_of(data: Any) -> RawAnswer:
    if isinstance(data, Mapping) and "proposals" not in data and "params" in data:
        data = [data]
    if isinstance(data, list):
        data = {"proposals": data}
    items = data.get("proposals") if isinstance(data, Mapping) else None
    abstained = isinstance(data, Mapping) and data.get("abstain") is True
    if items is None and abstained:
        return RawAnswer((), True)
    if not isinstance(items, list):
        raise ModelAnswerInvalid('The answer needs a list "proposals" of objects with "params".')
    proposals = tuple(_proposal_of(item) for item in items[:100])
    if not proposals and not abstained:
        raise ModelAnswerInvalid(
            '"proposals" is empty. Propose at least one configuration, or set "abstain" to true.'
        )
    return RawAnswer(() if abstained else proposals, abstained)


def _proposal_of(item: object) -> RawProposal:
    if not isinstance(item, Mapping):
        return RawProposal(item)
    params = item.get("params") if "params" in item else item
    confidence = item.get("confidence")
    sure = isinstance(confidence, int | float) and not isinstance(confidence, bool) and 0 <= confidence <= 1
    return RawProposal(
        params, _words(item.get("hypothesis")), _words(item.get("expected")), confidence if sure else None
    )


def _words(value: object) -> str:
    if isinstance(value, str):
        return " ".join(value.split())[:_WORDS]
    return str(value)[:_WORDS] if isinstance(value, int | float) and not isinstance(value, bool) else ""
