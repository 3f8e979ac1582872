"""The documents as tests read them: their blocks in order, and why one of them is not run.

A block is python, toml, json, sh (``bash``, ``console``) or ``text`` (a figure). ``<!-- not run: REASON -->`` on the line
before it says that it is checked as far as that goes without running it.
"""

import re
import shlex
from dataclasses import dataclass
from functools import cached_property
from itertools import dropwhile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "examples" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs" / "how-to").glob("*.md")),
]
LANGUAGES = {
    "sh": "sh",
    "bash": "sh",
    "console": "sh",
    "python": "python",
    "toml": "toml",
    "json": "json",
    "text": "text",
}
NOT_RUN = {
    "demo": "takes a minute; .ci/run and tests/api/cli/test_demo.py run it shorter",
    "serve": "does not end by itself",
    "worker": "does not end by itself",
    "mcp": "does not end by itself",
    "tune-vllm": "needs vLLM and time",
    "tune-llama": "needs llama.cpp's server and time",
    "tune-sglang": "needs SGLang and time",
    "load-grid": "needs a server and time",
    "serve-model": "needs vLLM, and does not end by itself",
}
"""Commands of ours that the tests give to the parser only, and why."""
_sets_a_variable = re.compile(r"[A-Z_]+=").match
_BLOCK = re.compile(
    r"(?:<!-- not run: (?P<why>[^>]+) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.M | re.S
)
_INLINE = re.compile(r"`(trialogue [a-z][^`]*)`")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page. ``why_not``: why it is not run; empty where it is."""

    page: Path
    line: int
    language: str
    text: str
    why_not: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @cached_property
    def commands(self) -> list[list[str]]:
        """The words of each command of a shell block, without comments and prompts."""
        whole = self.text.replace("\\\n", " ")
        lines = [shlex.split(line.removeprefix("$ "), comments=True) for line in whole.splitlines()]
        return [list(dropwhile(_sets_a_variable, words)) for words in lines if words]

    def why_not_run(self, words: list[str]) -> str:
        """Return why a command of this block is not run; empty where it is."""
        if self.why_not:
            return self.why_not
        if words[0] != "trialogue":
            return "is no command of ours"
        return NOT_RUN.get(words[1], "")


def blocks(page: Path) -> list[Block]:
    """Return the blocks of a page in order."""
    text = page.read_text()
    return [
        Block(
            page,
            text.count("\n", 0, found.start("text")),
            LANGUAGES.get(found["language"], ""),
            found["text"],
            found["why"] or "",
        )
        for found in _BLOCK.finditer(text)
    ]


def inline_commands(page: Path) -> list[list[str]]:
    """Return the commands of ours that stand in the page's sentences, those with an ellipsis left out."""
    prose = _BLOCK.sub("", page.read_text())
    return [shlex.split(text) for text in _INLINE.findall(prose) if "…" not in text]


BLOCKS = [block for page in PAGES for block in blocks(page)]
