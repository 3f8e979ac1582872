"""Files that anybody wrote."""

from pathlib import Path

import pytest

from trialogue.evaluators.errors import InvalidSpecification
from trialogue.evaluators.text_files import read_json, read_text


def test_a_mark_of_byte_order_is_no_text_and_line_ends_stay(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("\ufeffé\r\nb".encode())
    assert read_text(path) == "é\r\nb"


@pytest.mark.parametrize("content", ["é".encode("latin-1"), "a".encode("utf-16"), b"\xed\xa0\x80"])
def test_what_is_no_text_is_refused_in_words(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    with pytest.raises(InvalidSpecification, match="must be UTF-8 text"):
        read_text(path)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "9" * 5_000, "{'a': 1}"])
def test_what_is_no_json_is_refused_in_words(text: str) -> None:
    with pytest.raises(InvalidSpecification, match="here must be JSON"):
        read_json(text, "here")
