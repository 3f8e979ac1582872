"""Drafts of a problem: from a script's ``--help`` text or a sentence to a specification a person corrects.

Plain rules, no model: a draft is a start, never an answer, and every guess is marked as one in a comment. A model in a
chat session writes specifications itself and has them checked by the same reader. Knows nothing of studies; the words
of a script are data here, and nothing is run.
"""

import json
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...serving.errors import InvalidInput

_NUMBER = r"[-+]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_OPTION = re.compile(r"^\s{1,12}(?:-\w,?\s+(?:\S+,?\s+)?)?--(?P<name>[A-Za-z][\w\-]*)[ =]?(?P<rest>.*)$")
_CHOICES = re.compile(r"\{([^}]+)\}")
_DEFAULT = re.compile(r"\(?\[?default[:=]?\s*(?:is\s*)?['\"]?(?P<value>[^\s'\")\],]+)", re.IGNORECASE)
_RANGE = re.compile(
    rf"(?P<name>[A-Za-z_][\w.]*)\s*(?::|=|in|from|between)?\s*\[?\(?(?P<low>{_NUMBER})\s*(?:to|and|\.\.\.?|…|-|–|,)\s*(?P<high>{_NUMBER})\]?\)?(?P<rest>[^,;.\n]*)"
)
_OR = re.compile(
    r"(?P<name>[A-Za-z_]\w*)\s*(?::|=|in|is|one of)\s*\{?"
    r"(?P<choices>\w[\w\-]*(?:\s*[,|/]\s*\w[\w\-]*)*(?:\s*,?\s*\bor\s+\w[\w\-]*)?)\}?"
)
_GOAL = re.compile(
    r"\b(?P<direction>maximi[sz]e|minimi[sz]e)\s+(?:the\s+)?(?P<name>[A-Za-z_][\w\-]*)", re.IGNORECASE
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


@dataclass(frozen=True)
class Knob:
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
    knobs = (
        list(from_help(text))
        if re.search(r"^\s+(-\w, )?--\w", text, re.MULTILINE)
        else list(from_sentence(text))
    )
    if not knobs:
        raise InvalidInput(
            "I found no parameter in that text. Write each as `name from LOW to HIGH` or `name: a, b or c`, "
            "paste the output of a script's --help, or paste a TOML specification."
        )
    return to_toml(name, text, knobs)


def guesses_in(toml: str) -> list[str]:
    """Return what a draft says it guessed: the name of the table or key, and how."""
    found = []
    for line in toml.splitlines():
        statement, _, note = line.partition("  # ")
        if "guess" in note:
            found.append(
                f"{statement.split('=')[0].strip().removeprefix('[parameters.').rstrip(']')}: {note}"
            )
    return found


def _is_specification(text: str) -> bool:
    try:
        return "parameters" in tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return False


def from_help(text: str) -> Iterator[Knob]:
    """Yield a knob for each option of a ``--help`` text that has choices or a number as its default."""
    lines = text.splitlines()
    for i, line in enumerate(lines):
        found = _OPTION.match(line)
        if not found or found["name"].lower() in _IGNORED:
            continue
        words = " ".join([found["rest"], *_continued(lines[i + 1 :])])
        choices, default = _CHOICES.search(words), _DEFAULT.search(words)
        name = found["name"].replace("-", "_")
        preset = default["value"] if default else None
        if choices:
            options = tuple(c.strip() for c in choices[1].split(","))
            yield Knob(name, "categorical", choices=options, default=preset if preset in options else None)
        elif preset is not None and re.fullmatch(_NUMBER, preset):
            yield _around(name, preset)


def from_sentence(text: str) -> Iterator[Knob]:
    """Yield a knob for each range or list of choices in a sentence."""
    seen: set[str] = set()
    for found in _RANGE.finditer(text):
        low, high = float(found["low"]), float(found["high"])
        if low >= high or found["name"] in seen:
            continue
        seen.add(found["name"])
        whole = all(re.fullmatch(r"[-+]?\d+", found[k]) for k in ("low", "high"))
        stated = re.search(r"\blog", found["rest"])
        log = low > 0 and (bool(stated) or high / low >= 1000)
        note = "" if stated or not log else "log scale guessed from the width of the range"
        yield Knob(found["name"], "int" if whole else "float", low, high, log, note=note)
    for found in _OR.finditer(text):
        if found["name"] not in seen:
            words = (c.strip() for c in re.split(r",|\||/|\bor\b", found["choices"]))
            options = tuple(c for c in words if c and c not in seen)
            if len(options) > 1:
                seen.add(found["name"])
                yield Knob(found["name"], "categorical", choices=options)


def to_toml(name: str, text: str, knobs: Sequence[Knob]) -> str:
    """Return the specification. Strings are written as JSON strings, which TOML reads alike."""
    goal = _GOAL.search(text)
    direction = "minimize" if goal and goal["direction"].lower().startswith("min") else "maximize"
    objective = goal["name"] if goal else "score"
    described = " ".join(text.split())[:500] if goal else ""
    lines = ["[study]", f"name = {json.dumps(name)}", "budget = { trials = 30 }", "", "[problem]"]
    lines += [f"description = {json.dumps(described, ensure_ascii=False)}"]
    guess = "" if goal else "  # guessed: say what is measured, and which way is better"
    lines += [
        f"objectives = [{{ name = {json.dumps(objective)}, direction = {json.dumps(direction)} }}]{guess}"
    ]
    for knob in knobs:
        lines += ["", f"[parameters.{knob.name}]" + (f"  # {knob.note}" if knob.note else "")]
        lines += list(_knob_lines(knob))
    return "\n".join(lines) + "\n"


def _knob_lines(knob: Knob) -> Iterator[str]:
    yield f"type = {json.dumps(knob.kind)}"
    if knob.kind == "categorical":
        yield f"choices = {json.dumps(list(knob.choices))}"
    else:
        as_written = int if knob.kind == "int" else float
        yield f"low = {as_written(knob.low or 0)!r}"
        yield f"high = {as_written(knob.high or 0)!r}"
        if knob.log:
            yield "log = true"
    if knob.default is not None:
        yield f"default = {json.dumps(knob.default)}"


def _continued(lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        if not line.strip() or _OPTION.match(line) or not line.startswith(" " * 8):
            return
        yield line.strip()


def _around(name: str, preset: str) -> Knob:
    """Return a range around a default: a hundred times down and up for fractions, sixteen times for counts."""
    value = float(preset)
    if re.fullmatch(r"\d+", preset) and value > 0:
        low, high = max(1, int(value / 16)), int(value * 16)
        return Knob(
            name,
            "int",
            low,
            high,
            high / low >= 100,
            default=int(value),
            note="range guessed from the default",
        )
    if value > 0:
        if value < 1 and re.search(r"drop|ratio|frac|prob|momentum|alpha|beta|util", name):
            return Knob(name, "float", 0.0, 1.0, default=value, note="range guessed from the name")
        return Knob(
            name,
            "float",
            value / 100,
            value * 100,
            True,
            default=value,
            note="range guessed from the default",
        )
    return Knob(name, "float", 0.0, 1.0, default=0.0, note="range guessed: the default is 0")
