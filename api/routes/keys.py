"""REST: API keys. Who makes or removes one may do at least as much as the key."""

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from ...serving.errors import InvalidInput
from ..http.paths import named
from ..http.rights import ADMIN, Caller, GuardedRoute, ScopeTooSmall
from ..service import schemas
from ..service.context import Parts, Services, Who
from ..service.keys import KeyStore

router = APIRouter(prefix="/v1/keys", tags=["keys"], route_class=GuardedRoute)


@router.get("", openapi_extra=ADMIN)
def keys(services: Parts, caller: Who) -> dict[str, Any]:
    """List who holds a key that yours could have made, and what each has used today."""
    if services.keys is None:
        return {"items": []}
    return {"items": [_shown(services.keys, k) for k in services.keys.all() if caller.covers(k)]}


@router.post("", status_code=201, openapi_extra=ADMIN)
def add_key(services: Parts, caller: Who, body: schemas.KeyBody) -> dict[str, str]:
    """Make a key that may do at most what yours may. It is shown in this answer and never again."""
    store = _store(services)
    if caller.asks_per_day is not None or caller.tokens_per_day is not None:
        raise ScopeTooSmall("A key with a daily budget makes no keys: together they would have more of it.")
    limits = body.model_dump(exclude={"name", "scope", "studies"})
    studies = None if body.studies is None else frozenset(body.studies)
    if not caller.covers(Caller(body.name, body.scope, studies, **limits)):
        raise ScopeTooSmall(
            "A key can only make keys with at most its own rights: name `studies` and limits within yours, see "
            "`GET v1/about`."
        )
    return {"name": body.name, "key": store.add(body.name, body.scope, studies=studies, **limits)}


@router.delete("/{name}", status_code=204, openapi_extra=ADMIN)
def remove_key(services: Parts, caller: Who, name: str) -> Response:
    """Revoke a key that yours could have made."""
    store = _store(services)
    hidden = {k.name for k in store.all() if not caller.covers(k)}
    store.remove(named(name), besides=hidden)
    return Response(status_code=204)


def _store(services: Services) -> KeyStore:
    if services.keys is None:
        raise InvalidInput("This server runs without keys; start it with `--keys`.")
    return services.keys


def _shown(store: KeyStore, holder: Caller) -> dict[str, Any]:
    studies = None if holder.studies is None else sorted(holder.studies)
    return asdict(holder) | {"studies": studies, "used_today": asdict(store.used_today(holder))}
