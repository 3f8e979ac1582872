"""Placeholders: what becomes of values, and which arguments vanish with them."""

from typing import Any

import pytest

from trialogue.evaluators.errors import InvalidSpecification
from trialogue.evaluators.programs.placeholders import (
    check_all_placed,
    check_placeholders,
    filled,
    filled_arguments,
    left_out,
    placeholders,
)

VALUES = {"C": 2.5, "on": True, "mode": None, "a-b": "x y"}
CASES: list[tuple[list[str], list[str]]] = [
    (["train", "{C}", "{on}", "{mode}", "{a-b}"], ["train", "2.5", "true", "none", "x y"]),
    (["train", "--g", "{gone}", "end"], ["train", "end"]),
    (["train", "file", "{gone}", "end"], ["train", "file", "end"]),
    (["train", "--c={C}", "{gone}"], ["train", "--c=2.5"]),
    (["train", "--g", "g={gone}"], ["train", "--g"]),
    (["train", "--g={gone}", "-v"], ["train", "-v"]),
    (["train", "{C}-{gone}"], ["train"]),
    (["{{C}}", '{"a": 1}', "{C}{C}"], ["{C}", '{"a": 1}', "2.52.5"]),
]


@pytest.mark.parametrize(("arguments", "expected"), CASES)
def test_arguments_are_filled_or_vanish_with_their_option(arguments: list[str], expected: list[str]) -> None:
    values: dict[str, Any] = dict(VALUES)
    assert filled_arguments(arguments, values) == expected


def test_braces_that_are_no_names_are_no_placeholders() -> None:
    assert placeholders('{C} {{C}} {"a": 1} {} { x } {a-b}') == ("C", "a-b")


NAMES = [
    "learning rate", "a,b", "it's", "k:v", 'q"q', "a{b", "a}b", "{a}", "{", "}", "x[0]", "$HOME", "100%", " a ", "a  b", "a|b",
    "{{", "}}", ".*", "größe", "模型", "--lr",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_filled_and_vanishes(name: str) -> None:
    text = "{" + name + "}"
    assert filled(text, {name: 0.5, "other": 1}) == "0.5"
    assert filled(f"--x={text}/{text}", {name: 0.5}) == "--x=0.5/0.5"
    assert filled_arguments(["a", "--x", text, "b"], {"other": 1}, [name]) == ["a", "b"]
    check_placeholders([text], [name])


def test_all_names_together_are_told_apart() -> None:
    for name in NAMES:
        values = {other: "wrong" for other in NAMES} | {name: "right"}
        assert filled("{" + name + "}", values) == "right"


@pytest.mark.parametrize(
    ("text", "cure"),
    [
        ("{learning rate}", "there are lr, a, b"),
        ("{learning_rat}", "there are"),
        ("{a, b}", "did you mean {a,b}"),
        ("{its}", "did you mean {it's}"),
        ("{k :v}", "did you mean {k:v}"),
        ("--x={nothing}", "Braces are written {{ and }}"),
    ],
)
def test_what_nothing_fills_is_refused(text: str, cure: str) -> None:
    known = ["lr", "a", "b"] if "there are" in cure else ["a,b", "it's", "k:v"]
    with pytest.raises(InvalidSpecification) as refused:
        check_placeholders([text], known)
    assert cure in str(refused.value)


def test_code_and_json_in_arguments_are_no_placeholders() -> None:
    texts = [
        '{"a": 1}',
        "print({'x': 1})",
        "{print $1}",
        "{ x }",
        "{}",
        "{{x}}",
        '{"lr": {lr}}',
        "${HOME:-x}",
    ]
    check_placeholders(texts, ["lr"])
    assert filled('{"lr": {lr}}', {"lr": 2}) == '{"lr": 2}'
    assert filled('{"a": {"lr": {lr}}}', {"lr": 2}) == '{"a": {"lr": 2}}'
    assert filled("{{lr}} {{{lr}}} }}", {"lr": 2}) == "{lr} {2} }}"


def test_a_parameter_without_a_placeholder_is_told() -> None:
    for texts in (["{a}", "{b}"], ["x"], [], ["{a}", "{params_file}"], ["--x={a}{b}"]):
        check_all_placed(texts, ["a", "b"], ["params_file"])
    with pytest.raises(InvalidSpecification, match=r"leaves out the parameter 'b', .* add '\{b\}'"):
        check_all_placed(["train", "{a}"], ["a", "b"], ["params_file"])
    with pytest.raises(InvalidSpecification, match=r"'b' \(and 1 more\)"):
        check_all_placed(["train", "{a}"], ["a", "b", "c"], ["params_file"])


def test_a_parameter_whose_only_argument_vanishes_is_found() -> None:
    assert left_out(["{a}-{b}"], {"a": 1}, ["a", "b"]) == ("a", "{a}-{b}")
    assert left_out(["{a}-{b}", "{a}"], {"a": 1}, ["a", "b"]) is None
    assert left_out(["{a}-{b}"], {"a": 1, "b": 2}, ["a", "b"]) is None
    assert left_out(["{workdir}-{b}"], {"workdir": "w"}, ["b"]) is None
