"""The search space of ``llama-server``: its knobs that move speed, as far as the installed version has them.

Names and units are the server's. Flags and defaults are read from its own ``--help``, never from here; what is asked for
beyond the catalogue: ``help_space.py``. Written against llama.cpp of 2026.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import inf
from typing import Any

from ..errors import InvalidSpecification
from ..spaces.parameters import Categorical
from ..spaces.space import SearchSpace
from .help_space import Catalogue, HelpedKnob, Value, parameter_of
from .useful import say_single

SLOTS = (1, 2, 4, 8)
"""Requests that are computed together; a slot has its part of the context."""
AUTO_SLOTS = 4
"""What the server takes where it is not told."""
MOST_THREADS = 8
"""Beyond this, only all cores are tried."""
KV_TYPES = ("f16", "q8_0", "q4_0")
DRAFT = "draft-simple"
"""The kind of speculation that a draft model is for."""
PLUMBING = frozenset({"model", "host", "port", "alias", "ui", "ctx_size"})
"""Flags that the tuner sets itself."""
STRAIN = {"batch_size": 1, "ubatch_size": 1}
"""More of it asks for more memory."""


KNOBS: tuple[HelpedKnob, ...] = (
    HelpedKnob("threads", (), "threads that generate"),
    HelpedKnob("threads_batch", (), "threads that read prompts"),
    HelpedKnob("parallel", SLOTS, "slots: requests at a time"),
    HelpedKnob("batch_size", (256, 512, 1024, 2048), "tokens of a batch", "tokens"),
    HelpedKnob("ubatch_size", (64, 128, 256, 512, 1024), "tokens that are computed at once", "tokens"),
    HelpedKnob("flash_attn", ("auto", "on", "off"), "attention without its whole matrix"),
    HelpedKnob(
        "spec_type", ("none", "ngram-simple", "ngram-map-k", "ngram-mod"),
        "guess the next tokens from what was said before, and check them together",
    ),
    HelpedKnob("cache_type_k", KV_TYPES, "numbers of the keys' cache", lossy=True),
    HelpedKnob("cache_type_v", KV_TYPES, "numbers of the values' cache", lossy=True),
    HelpedKnob("cache_ram", (0, 1024, 8192), "memory for prompts whose slot was given away", "MiB", core=False),
    HelpedKnob("kv_unified", (True, False), "one cache that all slots share", core=False),
    HelpedKnob("poll", (0, 50, 100), "how hard idle threads wait for work", core=False),
    HelpedKnob("spec_draft_n_max", (1, 2, 3, 5, 8), "tokens that are guessed at once", "tokens", core=False),
)  # fmt: skip
CATALOGUE = Catalogue("llama-server", KNOBS, PLUMBING, "`--fix ctx_size=N` gives another context")
RELATIONS = ("ubatch_size <= batch_size", "cache_type_v == 'f16' or flash_attn != 'off'")


def llama_space(
    flags: Mapping[str, str],
    cores: int,
    *,
    knobs: Mapping[str, Sequence[Value]] | None = None,
    lossy: bool = False,
    draft_model: str | None = None,
    fixed: Mapping[str, Any] | None = None,  # Any: plain values
    useful: Mapping[str, float] | None = None,
    most_slots: float = inf,
    say: Callable[[str], None] = lambda line: None,
) -> SearchSpace:
    """Return the space. ``flags``: the version's flags with their words of help; ``knobs``: just these, with own choices
    where there are any; ``fixed``: flags that hold for every configuration; ``useful``: by knob the most that the load can
    use of it; ``most_slots``: for which there is memory. Raises InvalidSpecification."""
    selection = (
        CATALOGUE.asked(knobs, flags, lossy=lossy) if knobs else CATALOGUE.core(flags, lossy=lossy, say=say)
    )
    selection = [_on(k, cores) for k in selection if k.name not in (fixed or {})]
    selection = [_with_room(k, most_slots, say) for k in selection]
    bound = {n: most for n, most in (useful or {}).items() if not (knobs or {}).get(n)}
    words = {k.name: flags.get(k.name, "") for k in selection}
    parameters = [
        parameter_of(_known(k, words[k.name]), words[k.name], bound.get(k.name, inf)) for k in selection
    ]
    if draft_model is not None:
        parameters = _with_draft(parameters, draft_model, flags)
    say_single(parameters, knobs or {}, say)
    parameters = [p for p in parameters if len(p.choices) > 1 or p.when]
    if not parameters:
        raise InvalidSpecification(
            "No knob has two values here; name some with `--knob`, such as threads=1,2."
        )
    names = {p.name for p in parameters}
    where = [r for r in RELATIONS if {w for w in re.findall(r"[a-z]+_[a-z_]+", r)} <= names]
    return SearchSpace(parameters, where=where)


def _on(knob: HelpedKnob, cores: int) -> HelpedKnob:
    """Return the knob with the choices of a machine with so many cores, where it depends on them."""
    if knob.choices or not knob.name.startswith("threads"):
        return knob
    return replace(knob, choices=tuple(sorted({*range(1, min(cores, MOST_THREADS) + 1), cores})))


def _with_room(knob: HelpedKnob, most_slots: float, say: Callable[[str], None]) -> HelpedKnob:
    """Return the knob without numbers of slots for which there is no memory; what is left out is said."""
    beyond = [c for c in knob.choices if knob.name == "parallel" and isinstance(c, int) and c > most_slots]
    if beyond:
        say(f"left out: parallel of {', '.join(map(str, beyond))}, whose context does not fit the memory")
    return replace(knob, choices=tuple(c for c in knob.choices if c not in beyond))


def _known(knob: HelpedKnob, words: str) -> HelpedKnob:
    """Return the knob with the kinds of speculation that the version has."""
    if knob.name != "spec_type":
        return knob
    words_of_help = set(re.split(r"[,\s]+", words))
    return replace(knob, choices=tuple(c for c in knob.choices if c in words_of_help or c is None))


def _with_draft(parameters: Sequence[Categorical], model: str, flags: Mapping[str, str]) -> list[Categorical]:
    """Return the parameters with a draft model as one more kind of speculation, and how many tokens it guesses."""
    if not {"spec_type", "spec_draft_model"} <= flags.keys() or DRAFT not in flags["spec_type"]:
        raise InvalidSpecification(
            "`--draft-model` needs a llama-server with --spec-type draft-simple; this one has none."
        )
    by_name = {p.name: p for p in parameters}
    kinds = by_name["spec_type"].choices if "spec_type" in by_name else ("none",)
    active = {"spec_type": [DRAFT]}
    depth = next(k for k in KNOBS if k.name == "spec_draft_n_max")
    others = [p for p in parameters if p.name not in ("spec_type", depth.name)]
    return [
        *others,
        Categorical("spec_type", [*kinds, DRAFT], default=kinds[0], description="kind of speculation"),
        Categorical("spec_draft_model", [model], when=active, description="small model that guesses"),
        Categorical(depth.name, depth.choices, when=active, ordered=True, description=depth.description),
    ]
