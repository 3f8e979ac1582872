"""Two real servers for tests: one answers everything with a redirect, the other keeps what reaches it."""

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Elsewhere:
    """Where a redirect leads: ``seen`` holds the headers of each request that came."""

    def __init__(self) -> None:
        self.seen: list[dict[str, str]] = []


@contextlib.contextmanager
def redirecting(status: int = 307) -> Iterator[tuple[str, Elsewhere]]:
    """Yield the address of a server that sends everybody elsewhere, and that place."""
    place = Elsewhere()

    class Kept(BaseHTTPRequestHandler):
        def answer(self) -> None:
            place.seen.append({k.lower(): v for k, v in self.headers.items()})
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        do_GET = do_POST = answer

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    with _running(Kept) as target:

        class Moved(Kept):
            def answer(self) -> None:
                self.rfile.read(int(self.headers.get("content-length", 0)))
                self.send_response(status)
                self.send_header("Location", f"{target}{self.path}")
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_POST = answer

        with _running(Moved) as door:
            yield door, place


@contextlib.contextmanager
def _running(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
