"""TOML from anybody: read like the standard library's, refused in words, and never in more than linear time."""

import re
import tomllib

import pytest

from trialogue.evaluators.errors import InvalidSpecification
from trialogue.evaluators.problems.toml import read_toml


def test_it_reads_what_the_standard_library_reads() -> None:
    text = 'a.b."c d" = 1\n[x]\ny = [0.1, 0.2, 1.5e3]\nz = "' + ".".join("abcdefgh" * 5) + '"\n'
    assert read_toml(text, "The file") == tomllib.loads(text)


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a." * 200_000 + "b = 1", "more than 50 parts"),
        ('x = {"a" . ' + '"a".' * 200_000, "more than 50 parts"),
        ("x = " + "[" * 100_000, "too deeply"),
        ("x = " + "9" * 10_000, "cannot be read"),
        ("x =\ny = 1", "line 1"),
        ("x = 1\ny = ", "line 2"),
    ],
)
def test_what_it_cannot_read_is_refused_in_words(text: str, told: str) -> None:
    with pytest.raises(InvalidSpecification, match=re.escape(told)):
        read_toml(text, "The file")
