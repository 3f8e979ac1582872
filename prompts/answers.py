"""Reads a model's answer: text to raw proposals. What is inside ``params`` is checked by ``prompts/wire.py``.

The text is untrusted. It is read as JSON and in no other way; where a server has no schema support, the first JSON
object in the text counts, and as a last resort LLAMBO's form ``## name: value, … ##``. Nothing is salvaged from
broken JSON: half an answer is not what the model meant.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import ModelAnswerInvalid

MAX_CHARACTERS = 400_000
_FENCE = re.compile(r"```(?:json)?\s*\n(.*?)```", re.DOTALL)
_HASHED = re.compile(r"##(.*?)##", re.DOTALL)
_PAIR = re.compile(r"\s*([^,:]+?)\s*(?::|=|\bis\b)\s*(\"[^\"]*\"|[^,]+)")
_WORDS = 400
"""Characters kept of a hypothesis or an expectation."""


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


def read_answer(text: str, *, structured: bool = True) -> RawAnswer:
    """Return the proposals in ``text``; ``structured``: the server was made to obey the schema, so only JSON counts.

    Raises ModelAnswerInvalid with what to do better.
    """
    if len(text) > MAX_CHARACTERS:
        raise ModelAnswerInvalid(
            f"The answer is too long: {len(text)} characters. Answer with one JSON object only."
        )
    data = _first_json(text)
    if data is None and not structured:
        data = _hashed(text)
    if data is None:
        raise ModelAnswerInvalid(
            'The answer is not JSON. Answer with one JSON object {"proposals": [...], "abstain": false}.'
        )
    return _answer_of(data)


def read_json(text: str) -> Any:  # Any: whatever JSON holds
    """Return the JSON value that ``text`` is, strictly: no NaN, no infinity. Raises ValueError."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not JSON")


def _first_json(text: str) -> Any:
    stripped = text.strip()
    for candidate in (stripped, *(m.strip() for m in _FENCE.findall(stripped)[:5])):
        if candidate[:1] in ("{", "["):
            try:
                return read_json(candidate)
            except ValueError:
                continue
    return _embedded(stripped)


def _embedded(text: str) -> Any:
    """Return the first JSON object with proposals that stands somewhere in prose, or None."""
    match = re.search(r"\{\s*\"(?:proposals|params)\"", text)
    if match is None or text[:1] in ("{", "["):  # meant as JSON as a whole, and broken
        return None
    try:
        return json.JSONDecoder(parse_constant=_refuse).raw_decode(text, match.start())[0]
    except (ValueError, RecursionError):
        return None


def _hashed(text: str) -> Any:
    found = []
    for body in _HASHED.findall(text)[:50]:
        pairs = {name.strip("\"' "): _scalar(value) for name, value in _PAIR.findall(body)}
        if pairs:
            found.append({"params": pairs})
    return found or None


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
    listed = data.get("proposals") if isinstance(data, Mapping) else None
    abstained = isinstance(data, Mapping) and data.get("abstain") is True
    if listed is None and abstained:
        return RawAnswer((), True)
    if not isinstance(listed, list):
        raise ModelAnswerInvalid('The answer needs a list "proposals" of objects with "params".')
    proposals = tuple(_proposal_of(item) for item in listed[:100])
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
