"""A real server of ours on the loopback interface, for tests: in a thread, or as a process that can be killed."""

import contextlib
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import uvicorn

from trialogue.agent.ledger.ledger import Ledger
from trialogue.api.server.app import ServerSettings, create_app


@contextlib.contextmanager
def served(storage: str, *, ledger: Ledger | None = None, **settings: Any) -> Iterator[str]:
    """Serve in a thread; yield the address."""
    door = socket.create_server(("127.0.0.1", 0))
    port = door.getsockname()[1]
    app = create_app(ServerSettings(storage, port=port, **settings), ledger)
    config = uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=2, ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([door],), daemon=True)
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


@contextlib.contextmanager
def served_process(*command: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run a command that serves on the port that ``{port}`` in it stands for; yield the address and the process."""
    port = free_port()
    words = [word.replace("{port}", str(port)) for word in command]
    process = subprocess.Popen(words, env=os.environ, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        until_ready(url)
        yield url, process
    finally:
        process.kill()
        process.wait()


def until_ready(url: str, seconds: float = 90.0) -> None:
    """Wait until a server says that it is ready."""
    until = time.monotonic() + seconds
    while True:
        with contextlib.suppress(httpx2.TransportError):
            if httpx2.get(f"{url}/ready", trust_env=False).status_code == 200:
                return
        assert time.monotonic() < until, "the server did not become ready"
        time.sleep(0.05)


def free_port() -> int:
    """Return a port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
