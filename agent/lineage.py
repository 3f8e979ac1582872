"""Trials that go on from an earlier trial's checkpoint: who continues whom, read from the trials' sources.

A source ``pbt:MEMBER`` begins a member of a population, ``pbt:MEMBER:PARENT`` goes on from the checkpoint of trial PARENT;
so do the sources of trainings that tune themselves. The source travels with a trial wherever it goes: queue, history,
export. Knows nothing of strategies.
"""

from collections.abc import Mapping

SELF_TUNING = ("stn", "differentiable")
"""Strategies whose trainings tune themselves."""
HALVING = ("asha", "hyperband")
"""Strategies whose evaluations may go on from the checkpoint of the rung below, or begin anew with more."""
CONTINUING = ("pbt", *HALVING, *SELF_TUNING)


def source_of(member: int, parent: int | None, strategy: str = "pbt") -> str:
    """Return the source of a trial of a member; inverse: ``member_of`` and ``parent_of``."""
    return f"{strategy}:{member}" if parent is None else f"{strategy}:{member}:{parent}"


def _parts(source: str) -> list[str]:
    parts = source.split(":")
    return parts if parts[0] in CONTINUING and len(parts) > 1 else []


def member_of(source: str) -> int | None:
    """Return the member of a population that a source names; None for any other source."""
    parts = _parts(source)
    return int(parts[1]) if parts else None


def parent_of(source: str) -> int | None:
    """Return the trial from whose checkpoint a trial with this source goes on; None where it starts anew."""
    parts = _parts(source)
    return int(parts[2]) if len(parts) == 3 else None


def needs_checkpoint(source: str) -> bool:
    """Return whether a trial with this source means nothing without the checkpoint of its parent."""
    return parent_of(source) is not None and source.partition(":")[0] not in HALVING


def tunes_itself(source: str) -> bool:
    """Return whether the evaluation of a trial with this source moves its parameters itself."""
    return source.partition(":")[0] in SELF_TUNING


def ancestry(sources: Mapping[int, str], number: int) -> list[int]:
    """Return the trials that led to trial ``number``, oldest first, itself last, given every trial's source."""
    line = [number]
    while (parent := parent_of(sources.get(line[-1], ""))) is not None and parent not in line:
        line.append(parent)
    return line[::-1]
