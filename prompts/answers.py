"""Reads a model's answer: text to raw proposals. What is inside ``params`` is checked by ``prompts/wire.py``.

The text is untrusted. It is read as JSON or a near relative of it (``prompts/json_in_text.py``), and the last answer
that stands in it counts: an earlier one was a draft. Wrappers around an answer are taken off, other words for ours are
put right, and an answer that as a whole is a table, YAML or a list is read (``prompts/json_in_text.py``). As a last
resort, where a server has no schema support, LLAMBO's form ``## name: value, … ##`` is read. Nothing is salvaged from
broken JSON, save proposals that were whole when the server cut the answer off.
"""

import html
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from .errors import ModelAnswerInvalid
from .json_in_text import folded, read_json, values_in, whole_items, written_out

MAX_CHARACTERS = 400_000
_HASHED = re.compile(r"##(.*?)##", re.DOTALL)
_PAIR = re.compile(r"\s*([^,:]+?)\s*(?::|=|\bis\b)\s*(\"[^\"]*\"|[^,]+)")
_WORDS = 400
"""Characters kept of a hypothesis or an expectation."""
_WRAPPERS = 4
"""How deep inside other objects an answer may stand."""
_TAGGED = re.compile(r"<(answer|final_answer|final)>(.*?)(?:</\1>|\Z)", re.DOTALL | re.IGNORECASE)
_OURS = {
    **dict.fromkeys(("proposal", "proposals", "candidates", "suggestions", "configurations"), "proposals"),
    **dict.fromkeys(
        ("params", "parameters", "config", "configuration", "hyperparameters", "settings"), "params"
    ),
    "abstain": "abstain",
}
_ABOUT = ("hypothesis", "expected", "confidence")
_TYPESET = str.maketrans({**dict.fromkeys("“”„", '"'), "：": ":", "，": ",", "｛": "{", "｝": "}", "\u00a0": " ",
                          "．": ".", **{0xFF10 + i: str(i) for i in range(10)}})  # fmt: skip


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


def read_answer(
    text: str, *, structured: bool = True, cut_off: bool = False, names: Collection[str] = ()
) -> RawAnswer:
    """Return the proposals in ``text``; ``structured``: the server was made to obey the schema, so LLAMBO's form does
    not count.

    ``cut_off``: the server said that it ended the answer; proposals that are whole count. ``names``: of the parameters,
    by which configurations are known that stand alone or are written out. Raises ModelAnswerInvalid with what to do
    better.
    """
    if len(text) > MAX_CHARACTERS:
        raise ModelAnswerInvalid(
            f"The answer is too long: {len(text)} characters. Answer with one JSON object only."
        )
    if tagged := [m[2] for m in _TAGGED.finditer(text)]:
        text = tagged[-1]
    values = _values_in(text, cut_off=cut_off)
    if len(values) > 1 and _is_lines(text) and all(_is_one(v, names) for v in values):
        values = [values]
    answers = [a for a in (_unwrapped(_in_our_words(v, names)) for v in values) if a is not None]
    data = answers[-1] if answers else (values or [None])[-1]
    if data is None and (rows := written_out(text, names)):
        data = [{"params": row} for row in rows]
    if data is None and not structured:
        data = _hashed(text)
    if data is None:
        raise ModelAnswerInvalid(
            'The answer is not JSON. Answer with one JSON object {"proposals": [...], "abstain": false}.'
        )
    return _answer_of(data)


def _values_in(text: str, *, cut_off: bool) -> list[Any]:
    """Return the values in ``text``, or else in what it says behind entities of HTML or a typesetter's signs."""
    for other in dict.fromkeys((text, html.unescape(text), text.translate(_TYPESET), _last_fence(text))):
        try:
            if values := values_in(other):
                return values
        except ValueError:
            continue
    whole = whole_items(text, "proposals") if cut_off else []
    return [whole] if whole else []


def _last_fence(text: str) -> str:
    """Return what stands in the last fence, unless something like JSON follows it."""
    pieces = text.split("```")
    closed = len(pieces) >= 3 and len(pieces) % 2 == 1 and "{" not in pieces[-1]
    return pieces[-2] if closed else ""


def _is_lines(text: str) -> bool:
    """Whether every line of ``text`` is an object of its own."""
    lines = [x.strip() for x in text.splitlines() if x.strip() and not x.lstrip().startswith("```")]
    return all(x.startswith("{") and x.endswith("}") for x in lines)


def _is_one(value: Any, names: Collection[str]) -> bool:
    """Whether ``value`` is one proposal."""
    ours = _in_our_words(value, names)
    return isinstance(ours, Mapping) and "params" in ours and "proposals" not in ours


def _in_our_words(value: Any, names: Collection[str], deep: int = _WRAPPERS) -> Any:
    """Return ``value`` with "proposals" and "params" where it says so in other words, as far as that is certain.

    A configuration that stands alone becomes a proposal: it is known by half of the parameters' names.
    """
    if isinstance(value, str) and deep < _WRAPPERS:
        value = _decoded(value)
    if isinstance(value, list):
        return [_in_our_words(v, names, deep - 1) for v in value] if deep else value
    if not isinstance(value, Mapping) or not deep:
        return value
    vocabulary = {folded(n) for n in names}
    if vocabulary and 2 * len(vocabulary & {folded(k) for k in value}) >= len(vocabulary):
        return {"params": value} | {k: value[k] for k in _ABOUT if k in value and folded(k) not in vocabulary}
    ours = {_OURS.get(folded(k), k): v for k, v in value.items()}
    if len(ours) < len(value):
        return value
    ours = {k: _in_our_words(v, names, deep - 1) if k != "params" else v for k, v in ours.items()}
    if isinstance(some := ours.get("proposals"), Mapping):
        inner = [some] if "params" in some else list(some.values())
        whole = all(isinstance(v, Mapping) and "params" in v for v in inner)
        ours["proposals"] = inner if whole else some
    if "params" in ours:
        ours["params"] = _params_of(ours["params"])
    return ours


def _params_of(value: Any) -> Any:
    """Return a configuration as an object, where it was a text, a list of pairs or an object in another."""
    value = _decoded(value)
    if isinstance(value, Mapping) and len(value) == 1 and _OURS.get(folded(next(iter(value)))) == "params":
        return _params_of(next(iter(value.values())))
    pairs = value if isinstance(value, list) and value else []
    if pairs and all(isinstance(p, Mapping) and set(p) == {"name", "value"} for p in pairs):
        pairs = [[p["name"], p["value"]] for p in pairs]
    if pairs and all(isinstance(p, list) and len(p) == 2 and isinstance(p[0], str) for p in pairs):
        return dict(pairs) if len({p[0] for p in pairs}) == len(pairs) else value
    return value


def _decoded(value: Any) -> Any:
    try:
        return read_json(value) if isinstance(value, str) and value.lstrip()[:1] in ("{", "[") else value
    except ValueError:
        return value


def _unwrapped(value: Any, deep: int = _WRAPPERS) -> Any:
    """Return the answer that ``value`` is or has inside it, or None: `{"name": …, "arguments": ANSWER}` and the like."""
    if isinstance(value, str) and deep < _WRAPPERS:
        try:
            value = read_json(value)
        except ValueError:
            return None
    if isinstance(value, list):
        only = _unwrapped(value[0], deep - 1) if len(value) == 1 and deep else None
        if isinstance(only, Mapping) and "proposals" in only:
            return only
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
