"""Data cards of stored studies as a table in Markdown, a row per study and one for all of them. Changes nothing."""

from collections.abc import Sequence
from statistics import fmean

from ...agent.ledger.ledger import Ledger
from ...agent.study.study import Study
from ...surrogates.data_card import DataCard, data_card

_COLUMNS = (
    "study",
    "parameters",
    "trials",
    "finished",
    "failed",
    "diversity",
    "coverage",
    "utility",
    "realism",
)
_LEGEND = """
- diversity: effective number of different configurations
- coverage: share of the cells of all pairs of parameters that hold a trial; in brackets, of as many random ones
- utility: rank correlation of held-out results with what a model trained on the others predicts
- realism: 1 where a classifier cannot tell the trials from the reference's, 0 where it always can
"""


def cards_of(study: str, storage: str, reference: str | None = None) -> str:
    """Return the cards of a study, or of several named with commas. Raises StudyNotFound, LedgerUnavailable,
    InvalidProblem."""
    ledger = Ledger(storage)
    names = [study] if ledger.has(study) else [name.strip() for name in study.split(",")]
    real = None if reference is None else Study.load(reference, storage=ledger, reap=False).refresh()
    cards = [data_card(Study.load(n, storage=ledger, reap=False).refresh(), real) for n in names]
    rows = [_row(name, card) for name, card in zip(names, cards, strict=True)]
    rows += [_all(cards)] if len(cards) > 1 else []
    lines = [_COLUMNS, ("---",) * len(_COLUMNS), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n" + _LEGEND


def _row(name: str, card: DataCard) -> tuple[str, ...]:
    counts = map(str, (card.parameters, card.trials, card.finished, card.failed))
    coverage = f"{card.coverage:.2f} ({card.coverage_random:.2f})"
    return (name, *counts, f"{card.diversity:.1f}", coverage, _shown(card.utility), _shown(card.realism))


def _all(cards: Sequence[DataCard]) -> tuple[str, ...]:
    """Return sums of what is counted and means of what is measured."""
    sums = (str(sum(getattr(c, name) for c in cards)) for name in ("trials", "finished", "failed"))
    covered = f"{fmean(c.coverage for c in cards):.2f} ({fmean(c.coverage_random for c in cards):.2f})"
    columns = ([v for c in cards if (v := getattr(c, name)) is not None] for name in ("utility", "realism"))
    means = (_shown(fmean(values) if values else None) for values in columns)
    return (f"all {len(cards)}", "", *sums, f"{fmean(c.diversity for c in cards):.1f}", covered, *means)


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
