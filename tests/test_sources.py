"""Docstrings name only papers whose algorithm the module has: ``docs/sources.md`` says which, and which test shows it."""

import ast
import re

import pytest
from test_architecture import MODULES, ROOT

PAPER = re.compile(r"\b([A-Z][\w’'-]+(?:(?:, | & )[A-Z][\w-]+)*(?: et al\.)?),? \(?((?:19|20)\d\d)\b")
ROW = re.compile(
    r"^\| `(?P<module>[\w/.]+)` \| (?P<papers>[^|]+) \| (?P<algorithm>[^|]+) \| `(?P<test>[\w/.]+)` \|$", re.M
)


def papers(text: str) -> set[str]:
    """Return the papers that a text names, as ``Shen et al. 2024`` or ``Negrinho & Gordon 2017``."""
    named = set()
    for authors, year in PAPER.findall(" ".join(text.split())):
        last = authors.rpartition(", ")[2] if authors.endswith("et al.") else authors
        named.add(f"{last} {year}")
    return named


ROWS = [m.groupdict() for m in ROW.finditer((ROOT / "docs" / "sources.md").read_text())]
LISTED = {row["module"]: {p.strip() for p in row["papers"].split(";")} for row in ROWS}


def test_what_a_docstring_names_is_what_the_list_says() -> None:
    named = {
        str(path.relative_to(ROOT)): found
        for path in MODULES
        if (found := papers(ast.get_docstring(ast.parse(path.read_text())) or ""))
    }
    wrong = {m for m in named.keys() | LISTED.keys() if named.get(m, set()) != LISTED.get(m, set())}
    told = {m: (named.get(m, set()), LISTED.get(m, set())) for m in sorted(wrong)}
    assert not wrong, (
        "a module names a paper only if it has its algorithm: write module, papers, algorithm and test into "
        f"docs/sources.md (named, listed): {told}"
    )


@pytest.mark.parametrize("row", ROWS, ids=[row["module"] for row in ROWS])
def test_every_algorithm_has_its_test(row: dict[str, str]) -> None:
    assert (ROOT / row["test"]).is_file()
    assert len(row["algorithm"].split()) >= 2


def test_papers_are_recognised_as_docstrings_write_them() -> None:
    text = "Source: Li et al. 2018; Hu, Qiu, Guo &\nYang 2023, and Power Scheduler, Shen et al. (2024). Not since 2019."
    assert papers(text) == {"Li et al. 2018", "Hu, Qiu, Guo & Yang 2023", "Shen et al. 2024"}
