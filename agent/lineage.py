"""Trials that go on from an earlier trial's checkpoint: who continues whom, read from the trials' sources.

A source ``pbt:MEMBER`` begins a member of a population, ``pbt:MEMBER:PARENT`` goes on from the checkpoint of trial PARENT.
The source travels with a trial wherever it goes: queue, history, export. Knows nothing of strategies.
"""

from collections.abc import Mapping

PREFIX = "pbt:"


def source_of(member: int, parent: int | None) -> str:
    """Return the source of a trial of a member; inverse: ``member_of`` and ``parent_of``."""
    return f"{PREFIX}{member}" if parent is None else f"{PREFIX}{member}:{parent}"


def member_of(source: str) -> int | None:
    """Return the member of a population that a source names; None for any other source."""
    return int(source.split(":")[1]) if source.startswith(PREFIX) else None


def parent_of(source: str) -> int | None:
    """Return the trial from whose checkpoint a trial with this source goes on; None where it starts anew."""
    parts = source.split(":") if source.startswith(PREFIX) else []
    return int(parts[2]) if len(parts) == 3 else None


def ancestry(sources: Mapping[int, str], number: int) -> list[int]:
    """Return the trials that led to trial ``number``, oldest first, itself last, given every trial's source."""
    line = [number]
    while (parent := parent_of(sources.get(line[-1], ""))) is not None and parent not in line:
        line.append(parent)
    return line[::-1]
