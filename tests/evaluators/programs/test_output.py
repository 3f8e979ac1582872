"""A result is found in what programs print, and nothing else is taken for one."""

import math
from typing import Any

import pytest

from trialogue.evaluators.programs.output import Output, is_report

INF = float("inf")
ONE_LINE: list[tuple[str, Any]] = [
    ("0.93", 0.93),
    ("+1", 1.0),
    (".5", 0.5),
    ("-.5e-3", -0.0005),
    ("5.", 5.0),
    ("7", 7),
    ("1e5", 1e5),
    ("-inf", -INF),
    ("Infinity", INF),
    ("\ufeff0.5\r", 0.5),
    ("10%|#  | 1/10\r0.5", 0.5),
    ("\x1b[32m0.93\x1b[0m", 0.93),
    ('\x1b[1;31m{"value": 1}\x1b[m', {"value": 1}),
    ("\x1b]8;;http://x\x1b\\0.5\x1b]8;;\x1b\\", 0.5),
    ("INFO:root:0.93", 0.93),
    ("INFO 0.93", 0.93),
    ("INFO: -0.5", -0.5),
    ("[INFO] 0.93", 0.93),
    ("2026-11-29 07:00:00,123 - trainer - INFO - 0.93", 0.93),
    ("2026-11-29 07:00:00,123 INFO 0.93", 0.93),
    ("2026-11-29 07:00:00.123 | INFO     | __main__:main:12 - 0.93", 0.93),
    ("[2026-11-29T07:00:00Z][WARNING] 0.5", 0.5),
    ('2026-11-29 07:00 {"value": 2}', {"value": 2}),
    ('INFO:root:{"value": 2}', {"value": 2}),
    ("{'value': 0.5, 'ok': True, 'why': None}", {"value": 0.5, "ok": True, "why": None}),
    ("{'loss': np.float64(0.5), 'n': np.int64(3)}", {"loss": 0.5, "n": 3}),
    ("{'loss': nan, 'x': -inf}", {"loss": math.nan, "x": -INF}),
    ("{'loss': tensor(0.5, grad_fn=<MeanBackward0>)}", {"loss": 0.5}),
    ("tensor(0.5)", 0.5),
    ("tensor(-0.5, device='cuda:0', dtype=torch.float64)", -0.5),
    ("tensor([0.25])", 0.25),
    ("np.float64(0.5)", 0.5),
    ("array(0.5, dtype=float32)", 0.5),
    ("Decimal('0.5')", 0.5),
    ("Fraction(1, 2)", 0.5),
    ("{'loss': fractions.Fraction(-3, 4)}", {"loss": -0.75}),
    ("Fraction(1, 0)", None),
    ("float64(1, 2)", None),
    ('metrics: {"loss": 0.5}', {"loss": 0.5}),
    ('{"value": 1, "step": 3, "loss": 2}', None),
    ('{"loss": 0.5, "step": 3}', {"loss": 0.5, "step": 3}),
    ("accuracy 0.93", None),
    ("elapsed: 3.5", None),
    ("INFO epoch 3", None),
    ("INFO: saved 3", None),
    ("[1]", None),
    ("done", None),
    ('"text"', None),
    ("true", None),
    ("print(5)", None),
    ("__import__('os').getpid()", None),
    ("{1, 2}", None),
    ("{", None),
    ("2026-11-29 07:00:00", None),
    ("3/10", None),
    ("0.5 0.6", None),
    ("[" * 100_000, None),
    ('{"a":' * 100_000, None),
    ("{" * 5_000 + "}" * 5_000, None),
]


def result(text: str) -> Any:
    output = Output()
    for line in text.split("\n"):
        output.add(line)
    return output.result()


def same(one: Any, other: Any) -> bool:
    return repr(one) == repr(other)


@pytest.mark.parametrize(("line", "value"), ONE_LINE, ids=lambda x: repr(x)[:40])
def test_a_line_is_read_in_any_costume(line: str, value: Any) -> None:
    assert same(result(f"starting\n{line}"), value)


PRETTY = '{\n  "value": 0.5,\n  "history": [\n    0.1,\n    0.2\n  ],\n  "inner": {\n    "a": 1\n  }\n}'


@pytest.mark.parametrize(
    "text",
    [
        PRETTY,
        PRETTY.replace("\n", "\r\n"),
        f"0.1\n{PRETTY}\nsaved to disk",
        f"INFO:root:{PRETTY}",
        f"\x1b[32m{PRETTY}\x1b[0m",
        f'{{"value": 9}}\nvoid f() {{\n{PRETTY}',
        "{'value': 0.5,\n 'history': [0.1, 0.2],\n 'inner': {'a': 1}}",
    ],
)
def test_an_object_may_go_over_several_lines(text: str) -> None:
    assert result(text) == {"value": 0.5, "history": [0.1, 0.2], "inner": {"a": 1}}


def test_what_stands_on_a_line_of_its_own_goes_before_what_is_labelled() -> None:
    assert result('0.5\nconfig: {"lr": 0.1}') == 0.5


def test_a_result_is_found_however_much_follows() -> None:
    assert result("0.5\n" + "some more output\n" * 50_000) == 0.5
    assert result(f"0.25\n{'}' * 40}\n" + "}\n" * 5_000) == 0.25


def test_a_report_is_no_result() -> None:
    assert is_report({"step": 1, "value": 2})
    assert result('0.5\n{"step": 1, "value": 2}') == 0.5
    assert result('{"step": 1, "value": 2}') is None
