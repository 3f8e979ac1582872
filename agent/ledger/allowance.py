"""What a caller may use in a day, counted in the transaction that uses it.

The count is a row for each name and day (UTC) in the ledger's database, so every server on it shares one count and a
request that is undone gives back what it took. Whoever takes holds the row until its transaction ends: of two that
race for the last trial one waits, and is refused. Knows nothing of keys; who calls is a name. Decision 0125.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa

from ..errors import DailyBudgetSpent
from . import schema

DAY_S = 86_400
_U = schema.api_use
_BEGIN_DAY = sa.text(
    "INSERT INTO trialogue_api_use (name, day, asks, tokens) VALUES (:name, :day, 0, 0) ON CONFLICT DO NOTHING"
)


@dataclass(frozen=True, slots=True)
class DailyUse:
    """What a caller has used today."""

    asks: int = 0
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Allowance:
    """What ``name`` may use in a day; a limit that is None does not exist."""

    name: str
    asks: int | None = None
    tokens: int | None = None
    clock: Callable[[], float] = time.time

    def used(self, connection: sa.Connection) -> DailyUse:
        """Return what was used since midnight UTC."""
        row = connection.execute(sa.select(_U.c.asks, _U.c.tokens).where(self._today())).first()
        return DailyUse() if row is None else DailyUse(row.asks, row.tokens)

    def check(self, connection: sa.Connection, *, asks: int = 0) -> None:
        """Raise DailyBudgetSpent when so many more asks would pass the limit, or no token is left."""
        used = self.used(connection)
        if self.asks is not None and asks and used.asks + asks > self.asks:
            raise self._spent(f"{self.name!r} may ask for {self.asks} trials a day and has had {used.asks}")
        if self.tokens is not None and used.tokens >= self.tokens:
            raise self._spent(f"{self.name!r} may use {self.tokens} tokens a day and has used {used.tokens}")

    def take(self, connection: sa.Connection, *, asks: int = 0, tokens: int = 0) -> None:
        """Count what this transaction uses. Raises DailyBudgetSpent where the asks pass the limit, and counts nothing.

        Tokens are known afterwards only: they are counted whatever the limit is, and the next ``check`` refuses.
        """
        if asks < 0 or tokens < 0:
            raise ValueError(f"an allowance is never given back, got asks={asks}, tokens={tokens}.")
        connection.execute(_BEGIN_DAY, {"name": self.name, "day": self._day()})
        within = sa.true() if self.asks is None or not asks else _U.c.asks + asks <= self.asks
        more = {"asks": _U.c.asks + asks, "tokens": _U.c.tokens + tokens}
        if not connection.execute(_U.update().where(self._today(), within).values(more)).rowcount:
            self.check(connection, asks=asks)

    def _day(self) -> int:
        return int(self.clock() // DAY_S)

    def _today(self) -> sa.ColumnElement[bool]:
        return sa.and_(_U.c.name == self.name, _U.c.day == self._day())

    def _spent(self, message: str) -> DailyBudgetSpent:
        wait_s = int(DAY_S - self.clock() % DAY_S) + 1
        return DailyBudgetSpent(f"{message}; the count starts again at midnight UTC.", wait_s)
