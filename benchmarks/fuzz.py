"""What breaks the service? Some 11,000 hostile requests over every text field, to a real server; the list of studies is read
after each.

    python benchmarks/fuzz.py [--kinds body,tool] [--every 1]

The requests are those of ``tests/contracts/hostile.py``. Prints one JSON object: how many of each kind, statuses, and every
answer of 500 or above, refusal without a reason, or list that could not be read; exits with 1 when there is one.
"""

import argparse
import json
import socket
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
from service import served

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from contracts.hostile import (  # pyright: ignore[reportMissingImports]: of the tests
    BODIES,
    PROBLEM,
    RAW,
    S,
    Sent,
    everything,
)

TEN_MEGABYTES = b'{"text": "' + b"x" * 10_000_000 + b'"}'


class Fuzz:
    """One run against one server."""

    def __init__(self, client: httpx2.Client) -> None:
        self.client = client
        self.kinds: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()
        self.broken: list[str] = []
        self.hung_up: list[str] = []

    def prepare(self) -> dict[str, Any]:
        """Make the study that is aimed at; return the OpenAPI document."""
        body = {"name": "open", "problem": PROBLEM, "strategy": "random"}
        self.client.post("/v1/studies", json=body).raise_for_status()
        self.client.post(f"{S}/ask", json={"n": 3}).raise_for_status()
        return self.client.get("/openapi.json").json()

    def send(self, sent: Sent) -> None:
        """Send one request, judge its answer, and read the list."""
        headers = [(k.encode(), v.encode("latin-1")) for k, v in sent.headers.items()]
        try:
            answer = self.client.request(
                sent.method,
                sent.path,
                content=sent.content,
                headers=headers,
                extensions=as_it_stands(sent.path),
            )
        except httpx2.LocalProtocolError:  # what no client sends
            self.kinds["not sent"] += 1
            return
        except httpx2.HTTPError as error:
            self.broken.append(f"{sent.kind} {sent.method} {sent.path[:80]} {sent.about!r}: {error!r}")
            return
        self.count(sent.kind, answer.status_code)
        if answer.status_code >= 500 or (answer.status_code >= 400 and not reason_in(answer)):
            self.broken.append(
                f"{sent.kind} {sent.method} {sent.path[:80]} {sent.about!r}: {answer.status_code} {answer.text[:200]}"
            )
        self.look((sent.kind, sent.path[:80], sent.about))
        if answer.status_code == 201 and sent.path.startswith("/v1/studies"):
            self.forget()

    def forget(self) -> None:
        """Delete what was made, so that the list stays as short as it was."""
        for study in self.client.get("/v1/studies?limit=200").json()["items"]:
            if study["name"] != "open":
                self.client.delete(f"/v1/studies/{quote(study['name'], safe='')}").raise_for_status()

    def count(self, kind: str, status: int) -> None:
        """Count one answer."""
        self.kinds[kind] += 1
        self.statuses[status] += 1

    def look(self, after: object) -> None:
        """Read the list of studies."""
        try:
            listed = self.client.get("/v1/studies?limit=200")
        except httpx2.TransportError as error:  # the server hung up after its last answer: once more, anew
            self.hung_up.append(f"{after!r}: {error!r}")
            listed = self.client.get("/v1/studies?limit=200")
        if listed.status_code != 200 or "open" not in [s["name"] for s in listed.json()["items"]]:
            self.broken.append(f"the list after {after!r}: {listed.status_code} {listed.text[:200]}")

    def send_large(self) -> None:
        """Send ten megabytes to every route that takes a body, with their length and without it."""
        for method, path, _ in BODIES:
            self.send(Sent("ten megabytes", method, path, TEN_MEGABYTES))
            pieces = (TEN_MEGABYTES[i : i + 65_536] for i in range(0, len(TEN_MEGABYTES), 65_536))
            self.count("ten megabytes", self.client.request(method, path, content=pieces).status_code)
            self.look("ten megabytes")

    def send_raw(self, port: int) -> None:
        """Send bytes that are no HTTP, or hardly."""
        for content in RAW:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                try:
                    connection.sendall(content)
                    connection.shutdown(socket.SHUT_WR)
                    line = connection.recv(4096).split(b"\r\n")[0]
                except OSError:
                    line = b""
            status = int(line.split()[1]) if line.startswith(b"HTTP/") else 0
            self.count("raw", status)
            if status >= 500:
                self.broken.append(f"raw {content[:80]!r}: {line!r}")
            self.look(("raw", content[:80]))


def as_it_stands(path: str) -> dict[str, bytes]:
    """Return what makes the client send a path as it is: left alone, it takes ".." out and asks for something else."""
    return {"target": path.encode("ascii")} if path.isascii() else {}


def reason_in(answer: httpx2.Response) -> bool:
    """Return whether a refusal says why: problem details, or JSON-RPC's error."""
    if answer.request.method == "HEAD":
        return True
    try:
        body: Any = answer.json()
    except ValueError:
        return False
    return bool(body.get("detail") or body.get("error"))


def main() -> None:
    """Send everything once."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kinds", default="", help="only these, by comma")
    parser.add_argument("--every", type=int, default=1, help="every nth request only")
    given = parser.parse_args()
    chosen = set(filter(None, given.kinds.split(",")))
    with (
        tempfile.TemporaryDirectory() as folder,
        served(f"sqlite:///{folder}/fuzz.db") as (url, _),
        httpx2.Client(base_url=url, timeout=120, trust_env=False) as client,
    ):
        fuzz = Fuzz(client)
        for i, sent in enumerate(everything(fuzz.prepare())):
            if i % given.every == 0 and (not chosen or sent.kind in chosen):
                fuzz.send(sent)
            if i % 1_000 == 0:
                print(i, dict(fuzz.statuses), fuzz.broken, file=sys.stderr, flush=True)
        if not chosen:
            fuzz.send_large()
            fuzz.send_raw(int(url.rpartition(":")[2]))
    counts = {
        "requests": sum(fuzz.statuses.values()),
        "kinds": fuzz.kinds,
        "statuses": dict(sorted(fuzz.statuses.items())),
    }
    print(json.dumps({**counts, "hung_up": fuzz.hung_up, "broken": fuzz.broken}))
    sys.exit(1 if fuzz.broken else 0)


if __name__ == "__main__":
    main()
