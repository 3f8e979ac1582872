"""Optuna's gRPC proxy in front of a ledger's database: thousands of plain Optuna workers share one server's connections.

Whoever connects is Optuna, not trialogue: it creates, reads and tells trials with its own samplers (or with
``TrialogueSampler``), and knows no claims, leases, budgets or keys. What it tells shows up in the study when it has ended
(``agent/optuna/``). **The protocol has no keys**: whoever reaches the port may read, change and delete every study of
the database. Hence loopback only, unless the operator says otherwise. The storage is Optuna's own, with its cache;
source: Optuna's reference of ``run_grpc_proxy_server`` (its blocking function; the server it makes is used here, so that
it can be ended).
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from typing import Any

from ...agent.ledger.ledger import Ledger
from ...serving.errors import InvalidInput
from .app import is_loopback

THREADS = 64
"""Requests worked on at once: each waits for the database."""


def address_of(text: str, *, anyone: bool = False) -> tuple[str, int]:
    """Return host and port of ``PORT`` or ``HOST:PORT``. Raises InvalidInput for an open address without ``anyone``."""
    host, _, port = text.rpartition(":")
    host = host.strip("[]") or "127.0.0.1"
    if not port.isdigit() or not 0 <= int(port) <= 65_535:
        raise InvalidInput(f"`--grpc` must be PORT or HOST:PORT, got {text!r}.")
    if not anyone and not is_loopback(host):
        raise InvalidInput(
            f"`--grpc {text}` can be reached from elsewhere, and Optuna's protocol has no keys: whoever reaches it may "
            "change and delete every study. Serve it on 127.0.0.1 behind an SSH tunnel, or add `--grpc-open` on a "
            "network of your own."
        )
    return host, int(port)


@contextmanager
def optuna_proxy(ledger: Ledger, host: str, port: int) -> Iterator[int]:
    """Serve Optuna's storage protocol until the block ends; yield the port. Raises InvalidInput."""
    try:
        import grpc
        from optuna.storages._grpc.auto_generated import api_pb2_grpc
        from optuna.storages._grpc.servicer import OptunaStorageProxyService
    except ImportError:
        raise InvalidInput("`--grpc` needs the extra: pip install 'trialogue[grpc]'.") from None
    from optuna.storages import get_storage

    if ledger.database.in_memory:
        raise InvalidInput(
            "`--grpc` needs a database that stays; give `--storage sqlite:///study.db` or PostgreSQL."
        )
    server: Any = grpc.server(ThreadPoolExecutor(THREADS, thread_name_prefix="optuna-proxy"))
    service = OptunaStorageProxyService(get_storage(ledger.database.optuna_storage()))
    api_pb2_grpc.add_StorageServiceServicer_to_server(service, server)
    try:
        bound = server.add_insecure_port(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
    except RuntimeError as error:
        raise InvalidInput(f"`--grpc {host}:{port}` cannot be served on ({error}).") from None
    server.start()
    try:
        yield bound
    finally:
        server.stop(grace=2.0).wait()


def maybe_proxy(ledger: Ledger, given: str | None, *, anyone: bool) -> Any:
    """Return the running proxy for an option that may be absent, as a context."""
    return nullcontext() if given is None else optuna_proxy(ledger, *address_of(given, anyone=anyone))
