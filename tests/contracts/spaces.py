"""Random search spaces for property tests: all kinds of parameters, conditions, relations."""

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from trialogue.evaluators.errors import InvalidSpace
from trialogue.evaluators.spaces.parameters import Categorical, Float, Int, Parameter
from trialogue.evaluators.spaces.space import SearchSpace

_finite = st.floats(-1e6, 1e6, allow_nan=False).map(lambda x: float(f"{x:.6g}"))


@st.composite
def floats(draw: st.DrawFn, name: str) -> Float:
    """A Float: linear, logarithmic, or with steps."""
    kind = draw(st.sampled_from(["linear", "log", "step", "log step"]))
    if kind == "linear":
        low = draw(_finite)
        return Float(name, low, low + max(abs(low), 1.0) * draw(st.floats(1e-3, 1e3)))
    low = draw(st.floats(1e-9, 1e6).map(lambda x: float(f"{x:.3g}")))
    if kind == "log":
        return Float(name, low, low * draw(st.floats(1.01, 1e12)), log=True)
    step = draw(st.sampled_from([0.1, 0.25, 1.0, 3.0, 1 / 3, 2**-20]))
    low = draw(st.integers(1, 50)) * step
    high = low + step * draw(st.integers(1, 200))
    return Float(name, low, high, step=step, log=kind == "log step")


@st.composite
def ints(draw: st.DrawFn, name: str) -> Int:
    """An Int: linear or logarithmic, with or without steps."""
    log = draw(st.booleans())
    low = draw(st.integers(1, 1000) if log else st.integers(-1000, 1000))
    step = draw(st.sampled_from([None, 1, 2, 7, 256]))
    return Int(name, low, low + (step or 1) * draw(st.integers(1, 10**6)), log=log, step=step)


@st.composite
def categoricals(draw: st.DrawFn, name: str) -> Categorical:
    """A Categorical: text, numbers, truth values, None, labels."""
    choices: Any = draw(
        st.sampled_from(
            [
                ["a", "b", "c"],
                [16, 32, 64],
                [0.1, 0.25, 1.5],
                [True, False],
                [None, "x", 3],
                ["only"],
                {"off": None, "ngram": {"n": 3, "k": [1, 2]}},
                [None, 8, 16],
            ]
        )
    )
    return Categorical(name, choices, ordered=draw(st.booleans()))


@st.composite
def spaces(draw: st.DrawFn, *, most: int = 6) -> SearchSpace:
    """A space of one to ``most`` parameters, some of them conditional on earlier ones."""
    parameters: list[Parameter] = []
    for i in range(draw(st.integers(1, most))):
        name = draw(st.sampled_from([f"x{i}", f"learning-rate {i}", f"größe.{i}"]))
        parameter = draw(st.one_of(floats(name), ints(name), categoricals(name)))
        more: dict[str, Any] = {}
        if draw(st.booleans()):
            more = {"description": "what it does", "unit": "s", "default": parameter.typical}
        if parameters and draw(st.booleans()):
            more["when"] = _condition(draw(st.sampled_from(parameters)), draw)
        parameter = replace(parameter, **more)
        parameters.append(parameter)
    return SearchSpace(parameters)


def _condition(parent: Parameter, draw: st.DrawFn) -> dict[str, Any]:
    """Return a condition that holds for some values of ``parent``."""
    if isinstance(parent, Categorical):
        return {parent.name: draw(st.lists(st.sampled_from(parent.choices), min_size=1, unique=True))}
    return {parent.name: f">= {parent.typical!r}"}


_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
_choice = st.one_of(
    _text,
    st.sampled_from(
        ["1", "1.0", "true", "True", "None", "null", "", " a", "nan", '"1"', "=1+1", "a\r\nb", "[1]"]
    ),
    st.integers(-(10**18), 10**18),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.none(),
)
_names = st.one_of(
    st.sampled_from(
        [
            "objective",
            "loss",
            "state",
            "number",
            "source",
            "excluded",
            "seconds",
            "sem:loss",
            "parameter:x",
            "x",
        ]
    ),
    st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), min_size=1, max_size=6).filter(
        lambda name: bool(name.strip()) and name.isprintable() and "`" not in name
    ),
)


@st.composite
def hostile_spaces(draw: st.DrawFn) -> SearchSpace:
    """A space whose names and choices could be taken for something else; the last parameter may be inactive."""
    names = draw(st.lists(_names, min_size=1, max_size=4, unique=True))
    parameters: list[Parameter] = []
    for name in names:
        made = draw(st.sampled_from([floats, ints]))(name)
        parameters.append(draw(st.one_of(made, hostile_categoricals(name))))
    if len(parameters) > 1 and draw(st.booleans()):
        parameters[-1] = replace(parameters[-1], when=_condition(parameters[0], draw))
    return SearchSpace(parameters)


@st.composite
def hostile_categoricals(draw: st.DrawFn, name: str) -> Categorical:
    """A Categorical whose choices may look like each other, like numbers or like nothing."""
    kept: list[Any] = []
    for choice in draw(st.lists(_choice, min_size=1, max_size=6)):
        try:
            kept = list(Categorical(name, [*kept, choice]).choices)
        except InvalidSpace:
            continue
    return Categorical(name, kept or ["only"])
