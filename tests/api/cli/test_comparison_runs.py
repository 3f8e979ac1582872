"""Tasks of a comparison: listed, or a few of many in proportion to their families."""

from collections import Counter
from pathlib import Path

from trialogue.api.cli.comparison_runs import sampled
from trialogue.evaluators.targets.catalogue import MODULES


def family(path: Path) -> str:
    return MODULES[str(path).removeprefix("target:")].split(".")[0]


def test_without_a_number_all_are_taken():
    assert sampled([Path("a.toml")], None) == [Path("a.toml")]
    assert len(sampled([Path("target:all"), Path("a.toml")], None)) == len(MODULES) + 1


def test_a_few_of_the_gallery_are_of_its_families_in_proportion():
    whole = Counter(family(p) for p in sampled([Path("target:all")], None))
    few = Counter(family(p) for p in sampled([Path("target:all")], 8))
    assert sum(few.values()) == 8
    assert all(abs(few[name] - 8 * n / len(MODULES)) < 1 for name, n in whole.items())
    assert sampled([Path("target:all")], 8) == sampled([Path("target:all")], 8)
