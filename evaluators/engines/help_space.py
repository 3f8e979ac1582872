"""A search space from a server program's own ``--help``: a catalogue of knobs, as far as the installed version has them.

Names are the server's flags with underscores; None is "not given". Beyond the catalogue, every flag that the version has and
every environment variable is accepted with choices of one's own. Knows no engine.
"""

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf

from ..errors import InvalidSpecification
from ..spaces.parameters import Categorical
from .useful import sufficient

Value = bool | int | float | str | None


@dataclass(frozen=True, slots=True)
class HelpedKnob:
    """One knob. ``core``: tuned unless told otherwise; ``lossy``: may change what the model says; ``default``: what holds
    where nothing is given, None where only the installed version's help knows it."""

    name: str
    choices: tuple[Value, ...]
    description: str = ""
    unit: str = ""
    core: bool = True
    lossy: bool = False
    default: Value = None


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The knobs of one program. ``plumbing``: flags that the tuner sets itself, ``cure``: what to do who names one."""

    program: str
    knobs: tuple[HelpedKnob, ...]
    plumbing: frozenset[str]
    cure: str = "leave it out"

    def core(self, flags: Mapping[str, str], *, lossy: bool, say: Callable[[str], None]) -> list[HelpedKnob]:
        """Return the knobs that are tuned unless told otherwise; what the version lacks is said."""
        wanted = [k for k in self.knobs if k.core and (lossy or not k.lossy)]
        missing = [k.name for k in wanted if k.name not in flags]
        if missing:
            say(f"left out, because this {self.program} does not have it: {', '.join(missing)}")
        return [k for k in wanted if k.name in flags]

    def asked(
        self, knobs: Mapping[str, Sequence[Value]], flags: Mapping[str, str], *, lossy: bool
    ) -> list[HelpedKnob]:
        """Return the knobs of these names, with own choices where there are any. Raises InvalidSpecification."""
        catalogue = {k.name: k for k in self.knobs}
        selection: list[HelpedKnob] = []
        for name, choices in knobs.items():
            knob = catalogue.get(name, HelpedKnob(name, ()))
            complaint = self._complaint(knob, choices, flags, lossy=lossy)
            if complaint:
                raise InvalidSpecification(complaint)
            selection.append(replace(knob, choices=tuple(choices) or knob.choices))
        return selection

    def _complaint(
        self, knob: HelpedKnob, choices: Sequence[Value], flags: Mapping[str, str], *, lossy: bool
    ) -> str:
        name = knob.name
        if name in self.plumbing:
            return f"`--knob` must name what can be tuned, got {name!r}, which the tuner sets itself; {self.cure}."
        if name not in flags and not name.isupper():
            close = difflib.get_close_matches(name, flags, 1)
            cure = f"did you mean {close[0]!r}?" if close else f"`{self.program} --help` lists its flags."
            return f"Unknown knob {name!r}: the installed {self.program} does not know it; {cure}"
        if knob.lossy and not lossy:
            return f"A knob that may change answers needs `--lossy`, which guards them, got {name!r}."
        if not choices and knob not in self.knobs:
            return (
                f"The knob {name!r} needs choices, because none are catalogued; such as `--knob {name}=1,2`."
            )
        return ""


def parameter_of(knob: HelpedKnob, words: str, most: float = inf) -> Categorical:
    """Return the parameter; its default is the version's own by its words of help where that is one of the choices, else
    the catalogue's, else "not given". ``most``: that can be used of it, see ``sufficient``."""
    match = re.search(r"default: '?([\w.+-]+)", words)
    choices = [c for c in knob.choices if c is not None]
    default = next((c for c in choices if match is not None and str(c) == match[1]), knob.default)
    choices = sufficient(choices, most)
    if default is None:
        return Categorical(
            knob.name, [None, *choices], default=None, description=knob.description, unit=knob.unit
        )
    choices = [*choices, *([default] if default not in choices else [])]
    numeric = all(isinstance(c, int | float) and not isinstance(c, bool) for c in choices)
    choices = sorted(choices, key=lambda c: float(str(c))) if numeric else choices
    return Categorical(
        knob.name, choices, default=default, ordered=numeric, description=knob.description, unit=knob.unit
    )
