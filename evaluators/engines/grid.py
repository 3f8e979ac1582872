"""What a server carries by shape of request and requests at once: tokens/s of a user against tokens/s of a device.

A *cell* is one load: prompts and answers of one length each, so many requests at once. More at once give the device more
and the user less; of one shape the front is what no other cell beats in both. Definitions: ``user_tok_s`` is generated
tokens per second over the requests at once, ``device_tok_s`` the same over the devices. Measures on any ``Tunable``; knows
no engine.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ...serving.errors import InvalidInput
from ..traffic.workload import Workload

TURNS = 4
"""How often every place of a load is taken at least: the first requests meet an empty server."""
FEWEST = 16
"""Requests of a load at least."""
MOST_CELLS = 400


@dataclass(frozen=True, slots=True)
class Cell:
    """One load. ``failed``: why it was not measured, "" where it was."""

    input_len: int
    output_len: int
    concurrency: int
    metrics: Mapping[str, float] = field(default_factory=dict)
    failed: str = ""

    @property
    def key(self) -> tuple[int, int, int]:
        """What was asked for."""
        return self.input_len, self.output_len, self.concurrency

    @property
    def shape(self) -> str:
        """Lengths of prompt and answer in words."""
        return f"{self.input_len}→{self.output_len}"

    @property
    def user_tok_s(self) -> float:
        """Generated tokens per second of one of the requests at once."""
        return self.metrics["output_tok_s"] / self.concurrency

    @property
    def device_tok_s(self) -> float:
        """Generated tokens per second of one device."""
        return self.metrics["output_tok_s"] / self.metrics.get("devices", 1.0)

    def workload(self) -> Workload:
        """Return the load of this cell."""
        prompts = max(FEWEST, TURNS * self.concurrency)
        lengths = f"input={self.input_len},output={self.output_len}"
        return Workload.parse(f"random:{lengths},prompts={prompts},concurrency={self.concurrency}")


def cells(inputs: Sequence[int], outputs: Sequence[int], concurrencies: Sequence[int]) -> list[Cell]:
    """Return every cell of the grid, shape by shape, few requests at once first. Raises InvalidInput."""
    axes = {"input": inputs, "output": outputs, "concurrency": concurrencies}
    for name, axis in axes.items():
        if not axis or min(axis) < 1:
            raise InvalidInput(
                f"`--{name}` must be numbers of at least 1 with commas between, got {list(axis)!r}."
            )
    grid = [
        Cell(i, o, c)
        for i in sorted(set(inputs))
        for o in sorted(set(outputs))
        for c in sorted(set(concurrencies))
    ]
    if len(grid) > MOST_CELLS:
        raise InvalidInput(f"A grid has at most {MOST_CELLS} cells, got {len(grid)}; leave some lengths out.")
    return grid


def front(grid: Iterable[Cell]) -> list[Cell]:
    """Return the measured cells that no other beats both for the user and for the device, fastest for the user first."""
    frontier: list[Cell] = []
    measured = (c for c in grid if not c.failed)
    for cell in sorted(measured, key=lambda c: (-c.user_tok_s, -c.device_tok_s)):
        if not frontier or cell.device_tok_s > frontier[-1].device_tok_s:
            frontier.append(cell)
    return frontier


def by_shape(grid: Iterable[Cell]) -> Iterator[tuple[str, list[Cell]]]:
    """Yield each shape with its cells, in the order of the grid."""
    shapes: dict[str, list[Cell]] = {}
    for cell in grid:
        shapes.setdefault(cell.shape, []).append(cell)
    yield from shapes.items()
