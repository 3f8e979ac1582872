"""Parameters: what they refuse, and what their values mean."""

import json
import math
from dataclasses import replace
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from trialogue.evaluators.errors import InvalidParameters, InvalidSpace
from trialogue.evaluators.spaces.parameters import Categorical, Float, Int


class Optimizer(StrEnum):
    """Members that are text."""

    ADAM = "adam"
    SGD = "sgd"


class Size(IntEnum):
    """Members that are integers."""

    SMALL = 8
    LARGE = 64


class Kernel(Enum):
    """Members that are neither."""

    RBF = ("rbf", 2)
    LINEAR = ("linear", 0)


BAD: list[tuple[Any, str]] = [
    (lambda: Float("x", 1, 1), r"`low` must be less than `high`, got low=1.0, high=1.0; swap"),
    (lambda: Float("x", 2, 1), "must be less than"),
    (lambda: Int("x", 2, 1), "must be less than"),
    (lambda: Float("x", 0, 1, log=True), "a log scale needs `low` > 0, got 0.0; raise"),
    (lambda: Int("x", -1, 1, log=True), "a log scale needs `low` > 0"),
    (lambda: Float("x", math.nan, 1), "`low` must be a finite number, got nan"),
    (lambda: Float("x", 0, math.inf), "`high` must be a finite number, got inf"),
    (lambda: Float("x", "0", 1), "`low` must be a finite number, got '0'"),
    (lambda: Float("x", False, True), "`low` must be a finite number, got False"),
    (lambda: Int("x", 0.5, 3), "must be a whole number, got 0.5; use a Float"),
    (lambda: Int("x", 0, 10**15), r"integers must be within"),
    (lambda: Float("x", 0, 1e200), "bounds must be between"),
    (lambda: Float("x", 0, 1e-200), "bounds must be between"),
    (lambda: Float("x", 1e9, 1e9 + 1), "too narrow for its magnitude"),
    (lambda: Float("x", 0, 1, step=0.3), "`step` must lead from `low` to `high`.*`high=0.9` fits"),
    (lambda: Int("x", 0, 10, step=3), "`high=9` fits"),
    (lambda: Int("x", 0, 10, step=30), "`high=30` fits"),
    (lambda: Int("x", 0, 10, step=0), "`step` must be positive, got 0"),
    (lambda: Float("x", 0, 1, step=-0.5), "`step` must be positive"),
    (lambda: Float("x", 0, 1e6, step=1e-9), "at most 1e[+]12 values"),
    (lambda: Float("x", 0, 1, step=5e-324), "at most 1e[+]12 values"),
    (lambda: Float("x", 0, 1, step=1e-12), "at most 1e[+]12 values"),
    (lambda: Float("x", 0, 1, step=0.3333), "`step` must lead from `low` to `high`.*`high=0.9999` fits"),
    (lambda: Float("x", 0, 1, log="yes"), "`log` must be True or False"),
    (lambda: Float("x", 0, 1, default=2), r"The default of `x` must be in \[0.0, 1.0\], got 2"),
    (lambda: Int("x", 0, 4, step=2, default=3), "The default of `x` must be 0 plus a multiple of 2"),
    (lambda: Int("x", 0, 4, default=True), "The default of `x` must be a finite number, got True"),
    (lambda: Categorical("x", ["a"], default="b"), r"The default of `x` must be one of \['a'\], got 'b'"),
    (lambda: Categorical("x", []), "must not be empty"),
    (lambda: Categorical("x", {}), "must not be empty"),
    (lambda: Categorical("x", "abc"), "must be a list, or a mapping"),
    (lambda: Categorical("x", 3), "must be a list, or a mapping"),
    (lambda: Categorical("x", ["a", "a"]), "`choices` must differ, got 'a' and 'a'"),
    (lambda: Categorical("x", [1, True]), "`choices` must differ, got 1 and True, which are equal"),
    (lambda: Categorical("x", [0.0, False]), "must differ"),
    (lambda: Categorical("x", [1, 1.0]), "`choices` must differ, got 1 and 1.0"),
    (lambda: Categorical("x", [0.3, 0.1 + 0.2]), "must differ"),
    (lambda: Categorical("x", [[1], [2]]), r"label objects, as choices=\{'\[1\]': \[1\], …\}"),
    (lambda: Categorical("x", [(64, 64)]), r"got \(64, 64\); .*\{'\[64, 64\]': \[64, 64\], …\}.*value_of"),
    (lambda: Categorical("x", [{"n": 3}]), "label objects"),
    (lambda: Categorical("x", [{1, 2}]), "label objects, as choices={'small'"),
    (lambda: Categorical("x", [Decimal("0.1")]), "label objects"),
    (lambda: Categorical("x", [Optimizer.SGD, "sgd"]), "must differ"),
    (lambda: Categorical("x", Optimizer, default="ADAM"), "got 'ADAM'"),
    (lambda: Categorical("x", [math.nan]), "must be finite"),
    (lambda: Categorical("x", {"a": object()}), "plain JSON values"),
    (lambda: Categorical("x", {1: "a"}), "labels of choices must be non-empty text"),
    (lambda: Categorical("x", list(range(10_001))), "at most 10000 choices"),
    (lambda: Categorical("x", ["a"], ordered=1), "`ordered` must be True or False"),
    (lambda: Float("", 0, 1), "name must be 1 to 100 printable characters"),
    (lambda: Float("a\nb", 0, 1), "printable"),
    (lambda: Float("a" * 101, 0, 1), "1 to 100"),
    (lambda: Float(3, 0, 1), "got 3"),
    (lambda: Float("x", 0, 1, unit=3), "`unit` must be text, got 3"),
    (lambda: Float("x", 0, 1, when="kernel"), "`when` must map a parent to its values"),
    (lambda: Float("x", 0, 1, when={}), "`when` must map"),
    (lambda: Float("x", 0, 1, when={"k": []}), "gives no value for 'k'"),
    (lambda: Float("x", 0, 1, when={"k": object()}), "needs a value or a list of values"),
]


@pytest.mark.parametrize(("make", "message"), BAD)
def test_definitions_that_break_a_rule_are_refused(make: Any, message: str) -> None:
    with pytest.raises(InvalidSpace, match=message):
        make()


BAD_VALUES: list[tuple[Any, Any, str]] = [
    (Float("x", 0, 1), 1.5, r"must be in \[0.0, 1.0\], got 1.5"),
    (Float("x", 0, 1), math.nan, "finite number, got nan"),
    (Float("x", 0, 1), "0.5", "finite number, got '0.5'"),
    (Float("x", 0, 1), None, "finite number, got None"),
    (Float("x", 0, 1), True, "finite number, got True"),
    (Float("x", 0, 1), np.bool_(True), "finite number"),
    (Float("x", 0, 1, step=0.25), 0.3, "plus a multiple of 0.25, got 0.3; the nearest is 0.25"),
    (Float("x", 0, 1, step=1 / 3), 0.33333, "the nearest is 0.3333333333333333"),
    (Float("x", 0, 1e6, step=2**-8), 999_999.999, "the nearest is 1000000.0"),
    (Int("n", 1, 10**12), 10**12 - 0.4, "must be a whole number"),
    (Int("n", 1, 9), 2.6, "must be a whole number, got 2.6; the nearest is 3"),
    (Int("n", 1, 9), True, "finite number, got True"),
    (Int("n", 1, 9), 0, r"must be in \[1, 9\]"),
    (Categorical("k", ["adam", "sgd"]), "adan", r"got 'adan'; did you mean 'adam'\?"),
    (Categorical("k", [8, 16]), "16", "did you mean 16, which is not text"),
    (Categorical("k", [0, 1]), True, "got True"),
    (Categorical("k", [True, False]), 1, "got 1"),
    (Categorical("k", [1, 2]), [1], r"got \[1\]"),
    (Categorical("k", list(range(40))), 99, "11, …"),
]


@pytest.mark.parametrize(("parameter", "value", "message"), BAD_VALUES)
def test_values_that_are_not_in_the_space_are_refused(parameter: Any, value: Any, message: str) -> None:
    with pytest.raises(InvalidParameters, match=message):
        parameter.coerce(value)


def test_values_mean_the_same_however_they_are_written() -> None:
    assert Float("x", 0, 1).coerce(1) == 1.0
    assert isinstance(Float("x", 0, 1).coerce(np.float32(0.5)), float)
    assert Float("x", 0, 1).coerce(0.1 + 0.2) == 0.3
    assert Float("x", 0, 1).coerce(1 + 1e-16) == 1.0
    assert isinstance(Int("n", 1, 9).coerce(np.int64(3)), int)
    assert Int("n", 1, 9).coerce(3.0) == 3
    assert Categorical("k", [16, 32]).coerce(16.0) == 16
    assert Categorical("k", [0.3, 1]).coerce(0.1 + 0.2) == 0.3
    assert Categorical("k", ["a"]).coerce(np.str_("a")) == "a"
    assert Float("x", -1, 1).coerce(-1e-20) == 0.0
    assert str(Float("x", -1, 1).coerce(-1e-20)) == "0.0"


def test_a_grid_of_thirds_holds_its_upper_end() -> None:
    x = Float("x", 0, 1, step=1 / 3)
    assert (x.low, x.high, x.step) == (0.0, 1.0, 1 / 3)
    assert x.decode(x.middles) == [0.0, 1 / 3, 2 / 3, 1.0]
    assert [x.coerce(v) for v in (1, 1 / 3 + 2 / 3, 0.333333333333, 1 - 1 / 3)] == [1.0, 1.0, 1 / 3, 2 / 3]
    assert Float("x", 0, 1, step=0.3333333).decode(np.array([1.0])) == [1.0]


def test_sums_of_decimals_are_the_decimals() -> None:
    assert Float("x", 0.1, 0.1 + 0.2, step=0.1).decode(np.array([0.0, 0.5, 1.0])) == [0.1, 0.2, 0.3]
    assert Float("x", -0.3, 0.3, step=0.1).decode(np.array([0.5, 0.99])) == [0.0, 0.3]
    assert Float("x", 0, 1, step=0.1).coerce(0.3 - 3 * 0.1) == 0.0


@given(
    st.sampled_from([0.0, 1.0, -2.5, 1 / 7, 1e-60, 3e50]),
    st.one_of(st.floats(-30, 30).map(lambda e: 10.0**e), st.integers(-40, 40).map(lambda e: 2.0**e)),
    st.integers(1, 10**6),
    st.booleans(),
)
def test_every_grid_takes_its_own_values(low: float, step: float, steps: int, log: bool) -> None:
    high = low + steps * step
    if step < 1e-9 * abs(low) or high - low < 1e-6 * max(abs(low), abs(high)) or abs(high) < 1e-100:
        return
    x = Float("x", low, high, step=step, log=log and low > 0)
    indices = sorted({0, 1, steps // 3, steps // 2, steps - 1, steps})
    values = [low + k * step for k in indices]
    assert [x.coerce(v) for v in values] == pytest.approx(
        values, rel=1e-15, abs=1e-15 * max(abs(low), abs(high))
    )
    assert len({x.coerce(v) for v in values}) == len(values)
    assert x.decode(x.encode(values)) == [x.coerce(v) for v in values]
    assert x.coerce(high) == x.high == pytest.approx(high, rel=1e-15)
    assert Float("x", x.low, x.high, step=x.step, log=x.log) == x


def test_the_nearest_value_is_found_for_anything() -> None:
    assert Float("x", 0, 1).nearest(7) == 1.0
    assert Float("x", 0, 1).nearest("text") == 0.5
    assert Float("x", 0, 1, default=0.1).nearest(math.nan) == 0.1
    assert Int("n", 0, 10, step=5).nearest(7) == 5
    assert Categorical("k", [8, 16, 32]).nearest(20) == 16
    assert Categorical("k", ["a", "b"]).nearest("z") == "a"
    assert Categorical("k", ["a", "b"], default="b").nearest(3) == "b"


def test_typical_values_are_the_default_or_the_middle() -> None:
    assert Float("x", 1e-3, 1e3, log=True).typical == 1.0
    assert Int("n", 1, 9).typical == 5
    assert Categorical("k", [8, 16, 32], ordered=True).typical == 16
    assert Categorical("k", [8, 16, None]).typical is None
    assert Categorical("k", [8, 16, None]).has_default
    assert not Categorical("k", [8, 16]).has_default


def test_logarithmic_integers_give_small_values_more_room() -> None:
    n = Int("n", 1, 1000, log=True)
    u = n.encode([1, 2, 10, 100, 1000])
    assert (np.diff(u) > 0).all()
    assert n.decode(u) == [1, 2, 10, 100, 1000]
    share = np.mean(np.array(n.decode(np.linspace(0, 1, 10_001))) == 1)
    assert share == pytest.approx(np.log(1.5 / 0.5) / np.log(1000.5 / 0.5), abs=1e-3)


@given(st.integers(1, 10**12 - 2), st.integers(1, 10**12), st.booleans())
def test_huge_integers_survive_the_unit_interval(low: int, width: int, log: bool) -> None:
    high = min(low + width, 10**12)
    n = Int("n", low, high, log=log)
    values = [low, (low + high) // 2, high]
    assert n.decode(n.encode(values)) == values


@given(st.floats(-100, 99), st.floats(0.01, 100))
def test_floats_of_any_magnitude_survive_the_unit_interval(exponent: float, decades: float) -> None:
    low, high = 10.0**exponent, 10.0 ** min(exponent + decades, 100.0)
    x = Float("x", low, high, log=True)
    u = np.linspace(0, 1, 101)
    values = x.decode(u)
    assert x.decode(x.encode(values)) == values
    assert [x.coerce(v) for v in values] == values
    assert min(values) == pytest.approx(low, rel=1e-11)
    assert max(values) == pytest.approx(high, rel=1e-11)
    assert min(values) >= low * (1 - 1e-15)
    assert max(values) <= high * (1 + 1e-15)


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9), st.sampled_from([1e-60, 1e-9, 1.0, 1e9, 1e60]))
def test_linear_floats_survive_the_unit_interval(low: float, width: float, magnitude: float) -> None:
    if width < 1e-5 * abs(low) or abs(low) < 1e-30:
        return
    x = Float("x", low * magnitude, (low + width) * magnitude)
    values = x.decode(np.linspace(0, 1, 101))
    assert x.decode(x.encode(values)) == values
    assert [x.coerce(v) for v in values] == values
    assert np.array(values) == pytest.approx(
        np.linspace(x.low, x.high, 101), abs=1e-11 * max(abs(x.low), abs(x.high))
    )


def test_values_never_leave_the_stated_bounds() -> None:
    open_interval = Float("p", 1e-15, 1 - 1e-15)
    assert (open_interval.low, open_interval.high) == (1e-13, 1 - 1e-13)
    assert open_interval.coerce(1e-15) == 1e-13
    assert Float("x", 0.1 + 0.2, math.pi).low == 0.3
    assert Float("x", 0.1 + 0.2, math.pi).high <= math.pi
    assert Float("x", math.pi, 1e9, log=True).low >= math.pi


def test_labelled_choices_carry_their_objects() -> None:
    k = Categorical("spec", {"off": None, "ngram": {"n": 3}})
    assert k.choices == ("off", "ngram")
    assert k.value_of("ngram") == {"n": 3}
    assert Categorical("k", [8, 16]).value_of(16) == 16
    assert k != Categorical("spec", {"off": None, "ngram": {"n": 4}})
    assert replace(k, unit="tokens").value_of("ngram") == {"n": 3}
    with pytest.raises(InvalidParameters):
        k.value_of("none")
    with pytest.raises(InvalidSpace, match="as one mapping"):
        replace(k, choices=["other"])


@pytest.mark.parametrize(
    ("enumeration", "choices"),
    [(Optimizer, ("adam", "sgd")), (Size, (8, 64)), (Kernel, ("RBF", "LINEAR"))],
)
def test_members_of_enumerations_stand_for_plain_choices(enumeration: Any, choices: tuple[Any, ...]) -> None:
    members = list(enumeration)
    for given_as in (enumeration, members, tuple(members)):
        c = Categorical("c", given_as, default=members[1])
        assert [(type(x), x) for x in c.choices] == [(type(x), x) for x in choices]
        assert (type(c.default), c.default) == (type(choices[1]), choices[1])
        assert json.loads(json.dumps(c.to_dict())) == {
            "type": "categorical",
            "choices": list(choices),
            "default": choices[1],
        }
    assert c.decode(c.encode(members)) == list(choices)
    assert [c.coerce(m) for m in members] == [c.nearest(m) for m in members] == list(choices)
    assert Float("x", 0, 1, when={"c": members[0]}) == Float("x", 0, 1, when={"c": [choices[0]]})


def test_what_is_no_choice_is_refused_wherever_it_comes_in() -> None:
    c = Categorical("c", [1, "a"])
    for value in ([1], {"a": 1}, {1}, b"a", object(), Kernel.RBF):
        with pytest.raises(InvalidParameters, match="`c` must be one of"):
            c.coerce(value)
        with pytest.raises(InvalidParameters, match="`c` must be one of"):
            c.encode([value])
        assert c.nearest(value) == 1


def test_subclasses_of_text_and_numbers_are_bare_values() -> None:
    class Path(str):
        __slots__ = ()

    c = Categorical("c", [Path("a"), np.str_("b")])
    assert [type(x) for x in c.choices] == [str, str]
    assert type(Categorical("c", ["a"]).coerce(Path("a"))) is str
    assert Categorical("c", {Optimizer.ADAM: 1}).choices == ("adam",)


def test_parameters_are_equal_by_meaning() -> None:
    assert Float("x", 0, 1) == Float("x", 0.0, 1.0)
    assert hash(Float("x", 0, 1)) == hash(Float("x", 0.0, 1.0))
    assert Float("x", 0, 1) != Float("x", 0, 1, log=False, unit="s")
    assert Int("x", 0, 1) != Float("x", 0, 1)
    assert Float("x", 0, 1) != "x"


THREE: list[Any] = [3.0, np.int8(3), np.float32(3), Decimal(3), Decimal("3.0"), np.array(3), np.array(3.0)]
NO_NUMBER: list[Any] = [
    True, np.True_, "3", 3 + 0j, np.array([3]), np.ma.masked, np.timedelta64(3), Decimal("NaN"), Decimal("sNaN"),
    Decimal("1e500"), 10**400, 10**5000,
]  # fmt: skip


@pytest.mark.parametrize("value", THREE, ids=repr)
def test_a_number_is_a_number_whoever_made_it(value: Any) -> None:
    whole = Int("n", 1, 9).coerce(value)
    assert (type(whole), whole) == (int, 3)
    real = Float("x", 1, 9).coerce(value)
    assert (type(real), real) == (float, 3.0)
    assert Int("n", value, 9, default=value).low == 3


@pytest.mark.parametrize("value", NO_NUMBER, ids=lambda v: f"{type(v).__name__}")
def test_what_is_no_number_is_refused_in_words(value: Any) -> None:
    for parameter in (Int("n", 1, 9), Float("x", 1, 9), Categorical("c", [7, 8])):
        with pytest.raises(InvalidParameters, match="got"):
            parameter.coerce(value)
    with pytest.raises(InvalidSpace):
        Float("x", 0, value)


def test_choices_come_in_rows_only() -> None:
    assert Categorical("c", np.array([1, 2])).choices == (1, 2)
    for table in (np.array(3), np.array([[1, 2], [3, 4]])):
        with pytest.raises(InvalidSpace, match="must be a list"):
            Categorical("c", table)


class Unwritable(Exception):
    """An error whose message cannot be written, raised by what cannot be shown."""

    def __repr__(self) -> str:
        raise Unwritable

    def __str__(self) -> str:
        raise ValueError


def test_what_cannot_be_shown_in_a_message_is_refused_all_the_same() -> None:
    with pytest.raises(InvalidParameters, match="its message cannot be written: ValueError"):
        Float("x", 0, 1).coerce(Unwritable())
