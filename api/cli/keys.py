"""``trialogue keys``: who may call the service."""

import json
from dataclasses import asdict
from typing import Annotated, Any, Literal

import typer

from ..options import DEFAULT_STORAGE, AsJson, Storage

keys = typer.Typer(no_args_is_help=True, help="Make, list and revoke the API keys of a service.")
Limit = Annotated[int | None, typer.Option(min=0)]


@keys.command()
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who will hold the key.")],
    storage: Storage = DEFAULT_STORAGE,
    scope: Annotated[Literal["read", "write", "admin"], typer.Option(help="What it may do.")] = "write",
    study: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Only this study (repeat).")] = None,
    requests_per_minute: Limit = None,
    asks_per_day: Limit = None,
    tokens_per_day: Limit = None,
) -> None:
    """Make a key and print it. It is kept as a hash and cannot be shown again."""
    secret = _store(storage).add(
        name,
        scope,
        studies=study or None,
        requests_per_minute=requests_per_minute,
        asks_per_day=asks_per_day,
        tokens_per_day=tokens_per_day,
    )
    print(secret)


@keys.command("list")
def list_(storage: Storage = DEFAULT_STORAGE, as_json: AsJson = False) -> None:
    """List who holds a key."""
    holders = _store(storage).all()
    if as_json:
        rows = [asdict(h) | {"studies": h.studies and sorted(h.studies)} for h in holders]
        print(json.dumps(rows, indent=1))
        return
    for holder in holders:
        studies = ", ".join(sorted(holder.studies)) if holder.studies is not None else "all studies"
        print(f"{holder.name}  {holder.scope}  {studies}")


@keys.command()
def remove(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose key it is.")],
    storage: Storage = DEFAULT_STORAGE,
) -> None:
    """Revoke a key. A running server follows within five seconds."""
    _store(storage).remove(name)


def _store(storage: str) -> Any:  # Any: its module is imported on use
    from ...agent.ledger.database import Database
    from ..service.keys import KeyStore

    return KeyStore(Database(storage))
