"""The service: one ASGI application for REST, events, chat, MCP and page over one ledger. It never runs an evaluation
and never accepts a command.

``create_app`` builds it from settings; nothing is global, so several may live in one process. Order of the layers, from
outside: metrics and logs, guard (size, host, origin, key, scope, rate), routes. Shutdown: new requests are
refused, open ones finish, event streams end, leases of workers stand in the database and survive.
"""

import asyncio
import contextlib
import functools
import ipaddress
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import anyio
import anyio.to_thread
import structlog
from fastapi import FastAPI
from starlette.middleware.body_limit import RequestBodyLimitMiddleware

from ...agent.errors import LedgerUnavailable
from ...agent.ledger.ledger import Ledger
from ...agent.planner.by_name import check_planner
from ...serving.errors import InvalidInput
from ..http.openapi import document
from ..http.paths import Paths, path_of
from ..mcp.tools import build_mcp
from ..routes import chat, events, insight, keys, page, studies, trials
from ..service import problems
from ..service.chats import ChatRooms
from ..service.context import Answers, Services
from ..service.event_hub import EventHub
from ..service.guard import Guard, Limits
from ..service.keys import KeyStore
from ..service.lingering import Lingering
from ..service.open_studies import Shelf
from ..service.reaper import reap
from ..service.telemetry import Metrics, Observer

REAP_EVERY_S = 5.0
GRACE_S = 20.0
"""After a start, how long workers have to renew leases that ran out while the server was away."""
THREADS = 64
"""Requests worked on at once; an ask holds one for as long as the surrogate thinks."""
log = structlog.get_logger("trialogue.api")


@dataclass(frozen=True)
class ServerSettings:
    """How a server runs. ``planners``: what clients may choose as a study's planner; ``chat_model``: an
    endpoint's URL."""

    storage: str
    host: str = "127.0.0.1"
    port: int = 8765
    keys: bool = False
    planners: Sequence[str] = ("embedded",)
    chat_model: str | None = None
    chat_stream: bool = True
    pruner: Literal["none", "median", "hyperband"] = "none"
    allow_hosts: Sequence[str] = ()
    allow_origins: Sequence[str] = ()
    root_path: str = ""
    body_bytes: int = 4_000_000
    requests_per_minute: int = 6_000
    reap_every_s: float = REAP_EVERY_S
    grace_s: float = GRACE_S
    limits: Limits | None = field(default=None)

    def guard_limits(self) -> Limits:
        """Return the guard's limits: loopback names, the host that is served and those that are allowed."""
        if self.limits is not None:
            return self.limits
        names = {*Limits().hosts, *(h.lower() for h in self.allow_hosts)}
        if self.host not in ("0.0.0.0", "::"):
            names.add(self.host.lower())
        return Limits(
            frozenset(names), frozenset(self.allow_origins), self.body_bytes, self.requests_per_minute
        )


def check_address(settings: ServerSettings) -> None:
    """Raise InvalidInput for an address that other machines reach while no keys are asked for."""
    if settings.keys or is_loopback(settings.host):
        return
    raise InvalidInput(
        f"`--host {settings.host}` can be reached from elsewhere, which needs keys: add `--keys` and make one with "
        "`trialogue keys add NAME`, or serve on 127.0.0.1."
    )


def is_loopback(host: str) -> bool:
    """Return whether an address is reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def create_app(settings: ServerSettings, ledger: Ledger | None = None) -> FastAPI:
    """Return the application. Raises InvalidInput for unsafe settings, LedgerUnavailable for a database."""
    check_address(settings)
    for spec in settings.planners:
        check_planner(spec)
    services = build_services(settings, ledger or Ledger(settings.storage))
    mcp, mcp_running = build_mcp(services)

    app = FastAPI(
        title="trialogue",
        summary="A language model proposes, a Gaussian process checks, an experiment decides.",
        version="1",
        lifespan=lambda _: _living(services, settings, mcp_running()),
        docs_url=None,  # its page loads scripts from a CDN; the document itself is at /openapi.json
        redoc_url=None,
        redirect_slashes=False,  # a redirect names the scheme this server sees, which behind a proxy is the wrong one
        generate_unique_id_function=lambda route: (
            f"{route.name}_{'_'.join(sorted(route.methods or ())).lower()}"
        ),
    )
    app.state.services = services
    app.openapi = functools.partial(document, app)
    routers = [page.guarded, *(m.router for m in (studies, trials, insight, events, chat, keys, page))]
    for router in routers:
        app.include_router(router)
    app.mount("/mcp", mcp)
    problems.install(app, routers)
    _wrap(app, services, settings)
    return app


@contextlib.asynccontextmanager
async def _living(
    services: Services, settings: ServerSettings, mcp_running: contextlib.AbstractAsyncContextManager[None]
) -> AsyncIterator[None]:
    """Run what runs beside the requests, from the first one to the last."""
    anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
    async with services.hub.running(), mcp_running, _reaping(services, settings):
        services.ready = True
        try:
            yield
        finally:
            services.ready = False
            services.hub.close()
    if services.chats is not None:
        services.chats.close()
    services.shelf.close()


def _wrap(app: FastAPI, services: Services, settings: ServerSettings) -> None:
    """Put around the routes what every request passes. The last one added is the outermost: what the guard refuses is
    counted too."""
    limits, lookup = settings.guard_limits(), services.keys.lookup if services.keys else None
    app.add_middleware(RequestBodyLimitMiddleware, max_body_size=limits.body_bytes)
    app.add_middleware(Guard, limits=limits, lookup=lookup, path_of=path_of)
    app.add_middleware(Observer, metrics=services.metrics, path_of=path_of)
    app.add_middleware(Paths, prefix=settings.root_path)
    app.add_middleware(Lingering)


def build_services(settings: ServerSettings, ledger: Ledger) -> Services:
    """Return the parts of a server."""
    shelf = Shelf(ledger, planners=settings.planners, pruner=pruner_named(settings.pruner))
    keys = KeyStore(ledger.database) if settings.keys else None
    chats = ChatRooms(shelf, model_url=settings.chat_model, stream=settings.chat_stream)
    return Services(ledger, shelf, EventHub(ledger), Metrics(), Answers(ledger), keys, chats)


def pruner_named(name: str) -> Any:  # Any: optuna's pruners, imported on use
    """Return the pruner that stops the studies' hopeless trials early, or None."""
    from optuna.pruners import HyperbandPruner, MedianPruner

    return {"none": lambda: None, "median": MedianPruner, "hyperband": HyperbandPruner}[name]()


@contextlib.asynccontextmanager
async def _reaping(services: Services, settings: ServerSettings) -> AsyncIterator[None]:
    """Fail what silent workers left behind, every few seconds, until the block ends."""

    def sweep() -> None:
        lost = reap(services.ledger, services.shelf)
        if lost:
            services.metrics.expired.inc(lost)
            log.warning("leases_expired", trials=lost)
        services.answers.sweep()

    async def loop() -> None:
        await asyncio.sleep(settings.grace_s)
        while True:
            try:
                await anyio.to_thread.run_sync(sweep)
            except LedgerUnavailable as error:  # the database is away: leases wait for it
                log.warning("reaping_waits", detail=str(error))
            await asyncio.sleep(settings.reap_every_s)

    task = asyncio.create_task(loop())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
