"""HTTP to one server: its key, retries while it is away, and its problems as the errors they were.

Requests that did not get through are sent again with the same idempotency key, so that each is done once however often
the network fails. Knows no study.
"""

import secrets
import time
import weakref
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import httpx2

from ...agent import errors as agent_errors
from ...agent.errors import LedgerUnavailable
from ...evaluators import errors as evaluator_errors
from ...serving import errors as serving_errors
from ...serving.errors import InvalidInput, TrialogueError

TIMEOUT_S = 300.0
"""An ask may wait for a surrogate's fit and a planner's answer."""


class Connection:
    """HTTP to one server: keys, retries, and problems as the errors they were. Threads may share it."""

    def __init__(self, url: str, api_key: str | None, retry_s: float) -> None:
        if not url.startswith(("http://", "https://")):
            raise InvalidInput(
                f"`url` must be a server's address such as http://127.0.0.1:8765, got {url!r}."
            )
        self.url, self.api_key, self.retry_s = url.rstrip("/") + "/", api_key, retry_s

    @cached_property
    def client(self) -> httpx2.Client:
        """The HTTP client, made on first use and closed with this object."""
        headers = {} if self.api_key is None else {"Authorization": f"Bearer {self.api_key}"}
        client = httpx2.Client(base_url=self.url, headers=headers, timeout=TIMEOUT_S, trust_env=False)
        weakref.finalize(self, client.close)
        return client

    def close(self) -> None:
        """Close the client, if it was made; the next call makes another."""
        client = self.__dict__.pop("client", None)
        if client is not None:
            client.close()

    def call(self, method: str, path: str, body: Any = None, query: Mapping[str, Any] | None = None) -> Any:
        """Return the JSON answer. Raises what the server raised, or LedgerUnavailable when it stays away."""
        headers = {"Idempotency-Key": secrets.token_hex(16)} if method == "POST" else {}
        until = time.monotonic() + self.retry_s
        pause_s = 0.2
        while True:
            try:
                response = self.client.request(method, path, json=body, params=query or None, headers=headers)
            except httpx2.TransportError as error:
                again, why = True, f"{type(error).__name__}: {error}"
            else:
                again, why = response.status_code in (429, 502, 503), response.text[:300]
                pause_s = max(pause_s, min(float(response.headers.get("retry-after", 0)), 30.0))
                if not again or time.monotonic() + pause_s > until:
                    return _answer(response)
            if again and time.monotonic() + pause_s > until:
                raise LedgerUnavailable(
                    f"the server at {self.url} does not answer ({why}); is `trialogue serve` running?"
                )
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, 2.0)


def _answer(response: httpx2.Response) -> Any:
    if response.is_success:
        return response.json() if response.content else None
    try:
        problem = response.json()
    except ValueError:
        problem = {}
    detail = str(problem.get("detail") or response.text[:300] or response.reason_phrase)
    raise error_named(str(problem.get("type", "")).rpartition(":")[2], response.status_code)(detail)


def error_named(name: str, status: int) -> type[TrialogueError]:
    """Return the class of an error that a server names; for one that is not known here, the nearest by status."""
    for module in (agent_errors, evaluator_errors, serving_errors):
        kind = getattr(module, name, None)
        if isinstance(kind, type) and issubclass(kind, TrialogueError):
            return kind
    return InvalidInput if 400 <= status < 500 else LedgerUnavailable
