"""Placeholders: what becomes of values, and which arguments vanish with them."""

from typing import Any

import pytest

from trialogue.evaluators.programs.placeholders import filled_arguments, placeholders

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
