"""What a running trial reports to: its study here, or the same study opened anew in another process.

Knows nothing of pruners: whoever keeps the study answers whether to stop.
"""

from collections.abc import Callable
from typing import Any, Protocol

from ...evaluators.programs.run import Report
from ...serving.errors import InvalidInput


class Reportable(Protocol):
    """What a reporter needs of a study, here and in the process to which it is sent."""

    @property
    def address(self) -> tuple[str, str]: ...  # noqa: D102
    @property
    def opener(self) -> "Callable[[], Reportable] | None": ...  # noqa: D102
    def report_soon(self, number: int, step: int, value: float) -> bool: ...  # noqa: D102
    def write_reports(self, number: int) -> None: ...  # noqa: D102


class Reporter:
    """Reports of one trial to its study; in another process it opens the study anew."""

    def __init__(self, study: Reportable, number: int) -> None:
        self._study, self._number = study, number

    def __call__(self, step: int, value: float) -> bool:
        """Report to the study; return whether to stop."""
        return self._study.report_soon(self._number, step, value)

    def flush(self) -> None:
        """Write what the study still holds."""
        self._study.write_reports(self._number)

    def __reduce__(self) -> tuple[Any, ...]:
        return _reporter_elsewhere, (self._study.address, self._study.opener, self._number)


class _Unreachable:
    """Takes the place of the reporter where the study is in another process's memory."""

    def __call__(self, step: int, value: float) -> bool:
        raise InvalidInput(
            "a trial in another process cannot report to a study in memory; give the study a `storage=` such as "
            "sqlite:///study.db."
        )


_opened: dict[tuple[str, str], Reportable] = {}


def _reporter_elsewhere(
    address: tuple[str, str], opener: Callable[[], Reportable] | None, number: int
) -> Report:
    if opener is None:
        return _Unreachable()
    if address not in _opened:
        _opened[address] = opener()
    return Reporter(_opened[address], number)
