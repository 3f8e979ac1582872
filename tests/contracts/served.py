"""A real server of ours on the loopback interface, for tests."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import uvicorn

from trialogue.agent.ledger import Ledger
from trialogue.api.server import Settings, create_app


@contextlib.contextmanager
def served(storage: str, *, ledger: Ledger | None = None, **settings: Any) -> Iterator[str]:
    """Serve in a thread; yield the address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    app = create_app(Settings(storage, port=port, **settings), ledger)
    config = uvicorn.Config(
        app, host="127.0.0.1", port=port, log_config=None, timeout_graceful_shutdown=2, ws="none"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + 20
    while not server.started:
        assert time.monotonic() < until, "the server did not start"
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        app.state.services.hub.close()
        server.should_exit = True
        thread.join(10)
