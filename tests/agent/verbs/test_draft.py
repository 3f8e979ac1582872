"""Drafts from words: what is read, what is guessed and said to be, and what is refused."""

import tomllib

import pytest
from hypothesis import given, strategies as st

from trialogue.agent.verbs.draft import draft, guesses_in
from trialogue.serving.errors import InvalidInput

HELP = """usage: train.py [-h] [--lr LR]
options:
  -h, --help            show this help message and exit
  --lr LR               learning rate (default: 0.001)
  -b, --batch-size N    batch size
                        (default: 64)
  --optimizer {adam,sgd}
                        which (default: adam)
  --dropout P           share of units left out (default: 0.1)
  --data PATH           (default: data.csv)
  --seed SEED           (default: 0)
"""


def test_a_sentence_becomes_a_specification() -> None:
    words = "C from 1e-3 to 1000 (log), depth between 2 and 12, kernel: linear, rbf or poly; minimize loss"
    spec = tomllib.loads(draft(words, name="svm"))
    assert spec["study"]["name"] == "svm"
    assert spec["problem"]["objectives"] == [{"name": "loss", "direction": "minimize"}]
    assert spec["parameters"] == {
        "C": {"type": "float", "low": 1e-3, "high": 1000.0, "log": True},
        "depth": {"type": "int", "low": 2, "high": 12},
        "kernel": {"type": "categorical", "choices": ["linear", "rbf", "poly"]},
    }


def test_a_help_text_becomes_a_specification_whose_guesses_are_marked() -> None:
    text = draft(HELP)
    parameters = tomllib.loads(text)["parameters"]
    assert set(parameters) == {"lr", "batch_size", "optimizer", "dropout"}
    assert parameters["lr"] == {"type": "float", "low": 1e-5, "high": 0.1, "log": True, "default": 0.001}
    assert parameters["batch_size"]["default"] == 64
    assert parameters["optimizer"] == {"type": "categorical", "choices": ["adam", "sgd"], "default": "adam"}
    assert "[parameters.lr]  # range guessed from the default" in text


def test_words_without_parameters_are_refused_with_a_cure() -> None:
    with pytest.raises(InvalidInput, match="LOW to HIGH"):
        draft("please make it faster")


def test_quotes_in_a_sentence_cannot_break_the_file() -> None:
    words = 'x from 0 to 1; maximize score"] evil = "1'
    assert set(tomllib.loads(draft(words, name='a"b'))["parameters"]) == {"x"}


def test_a_specification_is_its_own_draft_and_guesses_are_named() -> None:
    spec = '[study]\nname = "x"\n[parameters.x]\ntype = "float"\nlow = 0.0\nhigh = 1.0'
    assert draft(spec) == spec + "\n"
    assert guesses_in(spec) == []
    assert guesses_in(draft(HELP))[:2] == [
        "objectives: guessed: say what is measured, and which way is better",
        "lr: range guessed from the default",
    ]


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "piece",
    ["a", "1", "a1", " ", "\n", "\n  ", "{", "a{", "x in ", "x to 1", "1 to ", "a: b, ", "a or ", "--a ", " --a (default ",
     "default", "  -a b", "maximize  ", "is ", "1_", "1.", "-", "a|", "a/", "e1", "in", "x from 1"],
)  # fmt: skip
def test_no_text_takes_longer_than_its_length(piece: str) -> None:
    """A pattern that backtracks would take hours for these."""
    for text in ("a" + piece * 100_000, piece * 100_000 + "!", "  --lr X " + piece * 100_000):
        try:
            tomllib.loads(draft(text))
        except InvalidInput:
            continue


@given(st.text(max_size=200) | st.from_regex(r"[a-z_.]+ (from|in|=) [0-9._e+-]+ (to|and) [0-9._e+-]+"))
def test_a_draft_is_always_toml_or_refused(text: str) -> None:
    try:
        toml = draft(text, name="x")
    except InvalidInput:
        return
    parameters = tomllib.loads(toml)["parameters"]
    assert all("type" in parameter for parameter in parameters.values())


@pytest.mark.parametrize(
    "text",
    ["x from 1 to " + "9" * 400, "x from 1__0 to 5_", "opt.lr from 0 to 1", "größe from 1 to 2", "k: 🙂, b",
     "  --n N (default: " + "9" * 400 + ")\n  --m M (default: 3)", "  --lr X (default: 1)\n  --lr Y (default: 2)",
     "  --shift S  (default: -0.5)", "x in 1..3"],
)  # fmt: skip
def test_odd_numbers_and_names_are_read_or_left_out(text: str) -> None:
    try:
        tomllib.loads(draft(text))
    except InvalidInput as error:
        assert "no parameter" in str(error)  # noqa: PT017
