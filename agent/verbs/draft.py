"""Drafts of a problem: from a script's ``--help`` text or a sentence to a specification a person corrects.

Plain rules, no model: a draft is a start, never an answer, and every guess is marked as one in a comment. A model in a
chat session writes specifications itself and has them checked by the same reader. Knows nothing of studies; the words
of a script are data here, and nothing is run.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from ...evaluators.errors import InvalidSpecification
from ...evaluators.problems.toml import read_toml
from ...serving.errors import InvalidInput

# Text from anybody is matched in linear time: a word is tried once (lookbehind), and what a part has taken it never gives
# back (possessive ``++``, atomic ``(?>…)``). A pattern that backtracks stops every thread of the process.
_NUMBER = r"[-+]?(?:\d++(?:_\d++)*+(?:\.\d++|\.(?!\.))?+|\.\d++)(?:[eE][-+]?\d++)?+"
_WORD = r"\w[\w\-]*+"
_OPTION = re.compile(
    r"^\s{1,12}+(?:-\w,?\s++(?:[^\s\-]\S*+\s++)?+)?+--(?P<name>[A-Za-z][\w\-]*+)[ =]?+(?P<rest>.*+)$"
)
_ANY_OPTION = re.compile(r"^[ \t]++(?:-\w, )?+--\w", re.MULTILINE)
_CHOICES = re.compile(r"\{([^{}]++)\}")
_DEFAULT = re.compile(r"default[:=]?+\s*+(?:is\b\s*+)?+['\"]?+(?P<value>[^\s'\")\],]++)", re.IGNORECASE)
_RANGE = re.compile(
    rf"(?<![\w.])(?P<name>[A-Za-z_][\w.]*+)\s*+(?:(?::|=|(?:in|from|between)\b)\s*+)?+\[?+\(?+(?P<low>{_NUMBER})"
    rf"\s*+(?:to|and|\.\.\.?+|…|-|–|,)\s*+(?P<high>{_NUMBER})\]?+\)?+(?P<rest>[^,;.\n]*+)"
)
_OR = re.compile(
    r"(?<!\w)(?P<name>[A-Za-z_]\w*+)\s*+(?::|=|(?:in|is|one of)\b)\s*+\{?+"
    rf"(?P<choices>(?>{_WORD}(?:\s*+[,|/]\s*+(?!or\b){_WORD})*+)(?:\s*+,?+\s*+\bor\s++{_WORD})?+)\}}?+"
)
_GOAL = re.compile(
    r"\b(?P<direction>maximi[sz]e|minimi[sz]e)\s++(?:the\s++)?+(?P<name>[A-Za-z_][\w\-]*+)", re.IGNORECASE
)
_IGNORED = {
    "help",
    "version",
    "verbose",
    "quiet",
    "seed",
    "output",
    "out",
    "data",
    "device",
    "config",
    "log",
    "name",
}
"""Options that name inputs and outputs rather than knobs."""
LARGEST = 1e12
"""A number beyond it in a text is no bound of a parameter."""
_GUESSED = "range guessed from the default"


@dataclass(frozen=True)
class DraftedParameter:
    """A parameter as drafted. ``note`` says what was guessed."""

    name: str
    kind: str
    low: float | None = None
    high: float | None = None
    log: bool = False
    choices: tuple[str, ...] = ()
    default: float | str | None = None
    note: str = ""


def draft(text: str, *, name: str = "draft") -> str:
    """Return a TOML specification drafted from ``text``, or ``text`` when it is one. Raises InvalidInput when no
    parameter is found in it."""
    if _is_specification(text):
        return text.strip() + "\n"
    knobs = list(from_help(text) if _ANY_OPTION.search(text) else from_sentence(text))
    if not knobs:
        raise InvalidInput(
            "I found no parameter in that text. Write each as `name from LOW to HIGH` or `name: a, b or c`, "
            "paste the output of a script's --help, or paste a TOML specification."
        )
    return to_toml(name, text, knobs)


def guesses_in(toml: str) -> list[str]:
    """Return what a draft says it guessed: the name of the table or key, and how."""
    guesses = []
    for line in toml.splitlines():
        statement, _, note = line.partition("  # ")
        if "guess" in note:
            guesses.append(
                f"{statement.split('=')[0].strip().removeprefix('[parameters.').rstrip(']')}: {note}"
            )
    return guesses


def _is_specification(text: str) -> bool:
    try:
        return "parameters" in text and "parameters" in read_toml(text, "This")
    except InvalidSpecification:
        return False


def from_help(text: str) -> Iterator[DraftedParameter]:
    """Yield a knob for each option of a ``--help`` text that has choices or a number as its default."""
    lines = text.splitlines()
    names: set[str] = set()
    for i, line in enumerate(lines):
        match = _OPTION.match(line)
        if not match or match["name"].lower() in _IGNORED or match["name"] in names:
            continue
        names.add(match["name"])
        words = " ".join([match["rest"], *_continued(islice(lines, i + 1, None))])
        choices, default = _CHOICES.search(words), _DEFAULT.search(words)
        name = match["name"].replace("-", "_")
        preset = default["value"] if default else None
        if choices:
            options = tuple(c.strip() for c in choices[1].split(","))
            yield DraftedParameter(
                name, "categorical", choices=options, default=preset if preset in options else None
            )
        elif preset is not None and re.fullmatch(_NUMBER, preset) and abs(float(preset)) < LARGEST:
            yield _around(name, preset)


def from_sentence(text: str) -> Iterator[DraftedParameter]:
    """Yield a knob for each range or list of choices in a sentence."""
    names: set[str] = set()
    for match in _RANGE.finditer(text):
        low, high = float(match["low"]), float(match["high"])
        if not -LARGEST < low < high < LARGEST or match["name"] in names:
            continue
        names.add(match["name"])
        whole = all(re.fullmatch(r"[-+]?\d+", match[k]) for k in ("low", "high"))
        log_word = re.search(r"\blog", match["rest"])
        log = low > 0 and (bool(log_word) or high / low >= 1000)
        note = "" if log_word or not log else "log scale guessed from the width of the range"
        yield DraftedParameter(match["name"], "int" if whole else "float", low, high, log, note=note)
    for match in _OR.finditer(text):
        if match["name"] not in names:
            words = (c.strip() for c in re.split(r",|\||/|\bor\b", match["choices"]))
            options = tuple(c for c in words if c and c not in names)
            if len(options) > 1:
                names.add(match["name"])
                yield DraftedParameter(match["name"], "categorical", choices=options)


def to_toml(name: str, text: str, knobs: Sequence[DraftedParameter]) -> str:
    """Return the specification. Strings are written as JSON strings, which TOML reads alike."""
    goal = _GOAL.search(text)
    direction = "minimize" if goal and goal["direction"].lower().startswith("min") else "maximize"
    objective = goal["name"] if goal else "score"
    described = " ".join(text.split())[:500] if goal else ""
    lines = ["[study]", f"name = {_text(name)}", "budget = { trials = 30 }", "", "[problem]"]
    lines += [f"description = {_text(described)}"]
    guess = "" if goal else "  # guessed: say what is measured, and which way is better"
    lines += [f"objectives = [{{ name = {_text(objective)}, direction = {_text(direction)} }}]{guess}"]
    for knob in knobs:
        note = f"  # {knob.note}" if knob.note else ""
        lines += ["", f"[parameters.{_key(knob.name)}]{note}"]
        lines += list(_knob_lines(knob))
    return "\n".join(lines) + "\n"


def _text(text: str) -> str:
    """Return a TOML string: JSON's escapes are TOML's, but for the delete character."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_\-]++", name) else _text(name)


def _knob_lines(knob: DraftedParameter) -> Iterator[str]:
    yield f"type = {_text(knob.kind)}"
    if knob.kind == "categorical":
        yield f"choices = [{', '.join(map(_text, knob.choices))}]"
    else:
        as_written = int if knob.kind == "int" else float
        yield f"low = {as_written(knob.low or 0)!r}"
        yield f"high = {as_written(knob.high or 0)!r}"
        if knob.log:
            yield "log = true"
    if knob.default is not None:
        yield f"default = {_text(knob.default) if isinstance(knob.default, str) else repr(knob.default)}"


def _continued(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        if not line.strip() or _OPTION.match(line) or not line.startswith(" " * 8):
            return
        yield line.strip()


def _around(name: str, preset: str) -> DraftedParameter:
    """Return a range around a default: a hundred times down and up for fractions, sixteen times for counts."""
    value = float(preset)
    if value == 0:
        return DraftedParameter(name, "float", 0.0, 1.0, default=0.0, note="range guessed: the default is 0")
    if value < 0:
        return DraftedParameter(name, "float", value * 100, 0.0, default=value, note=_GUESSED)
    if preset.isdecimal():
        low, high = max(1, int(value / 16)), int(value * 16)
        return DraftedParameter(name, "int", low, high, high / low >= 100, default=int(value), note=_GUESSED)
    if value < 1 and re.search(r"drop|ratio|frac|prob|momentum|alpha|beta|util", name):
        return DraftedParameter(name, "float", 0.0, 1.0, default=value, note="range guessed from the name")
    return DraftedParameter(name, "float", value / 100, value * 100, True, default=value, note=_GUESSED)
