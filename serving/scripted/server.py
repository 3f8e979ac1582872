"""Scripted models: a real OpenAI-compatible server on the loopback interface, for tests, benchmarks and examples.

A behaviour is a function of the HTTP request alone: messages, the JSON schema in ``response_format``, and the history
rows that stand in the user message, one JSON object per line. A prompt that omits the history therefore fails.
Behaviours stand in ``serving/scripted/behaviours.py``. Knows nothing of spaces, studies or this package's other rooms.
"""

import json
import random
import sys
import threading
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any


@dataclass(frozen=True)
class ScriptedCall:
    """One request as the server sees it. ``index``: how many completions were asked for before, over all clients."""

    body: Mapping[str, Any]
    index: int
    choice: int = 0

    @property
    def messages(self) -> Sequence[Mapping[str, Any]]:
        """The messages."""
        return self.body.get("messages", [])

    @property
    def text(self) -> str:
        """All user messages together."""
        return "\n".join(str(m.get("content", "")) for m in self.messages if m.get("role") == "user")

    @cached_property
    def schema(self) -> Mapping[str, Any] | None:
        """The JSON schema the answer must obey, or None."""
        body = self.body.get("response_format", {}).get("json_schema", {})
        return body.get("schema")

    @cached_property
    def parameters(self) -> Mapping[str, Mapping[str, Any]]:
        """The schema of each parameter; of one that may be null, the part that says what else it may be."""
        schema = self.schema or {}
        items = schema.get("properties", {}).get("proposals", {}).get("items", {})
        bodies = items.get("properties", {}).get("params", {}).get("properties", {})
        return {name: body.get("anyOf", [body])[0] for name, body in bodies.items()}

    @cached_property
    def rows(self) -> Sequence[Mapping[str, Any]]:
        """The history rows: every line of the user message that is a JSON object with ``params``."""
        rows = []
        for line in self.text.splitlines():
            if line.lstrip().startswith("{"):
                try:
                    row = json.loads(line)
                except ValueError:
                    continue
                if isinstance(row, dict) and isinstance(row.get("params"), dict):
                    rows.append(row)
        return rows

    @property
    def wanted(self) -> int:
        """How many proposals the schema asks for at most (1 where it says nothing)."""
        proposals = (self.schema or {}).get("properties", {}).get("proposals", {})
        return int(proposals.get("maxItems", 1))

    def rng(self, salt: str = "") -> random.Random:
        """Return a generator that depends on the request's text, its seed and the choice, and on nothing else."""
        text = json.dumps([self.text, self.body.get("seed"), self.choice, salt])
        return random.Random(zlib.crc32(text.encode()))


@dataclass(frozen=True)
class ScriptedReply:
    """What the server sends: text in a completion, or a fault.

    ``status``: an HTTP error instead. ``delay_s``: seconds before anything is sent. ``drop``: close the connection
    without an answer. ``raw``: this body instead of a completion. ``thought``: sent as ``reasoning_content``.
    """

    text: str = ""
    finish_reason: str = "stop"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    drop: bool = False
    raw: bytes | None = None
    thought: str = ""
    logprobs: Sequence[Mapping[str, Any]] | None = None


Behaviour = Callable[[ScriptedCall], ScriptedReply]


class ScriptedServer:
    """A server with one behaviour per model name; a context manager. ``requests`` keeps every body received.

    ``obeys_n``: answer ``n`` choices, as vLLM does; otherwise always one. ``supports_schema``: otherwise requests
    with a ``response_format`` are refused with status 400. ``api_key``: refuse other keys with status 401.
    ``lists_models``: otherwise there is no ``/models``. ``obeys_max_tokens``: cut answers off, as servers do.
    """

    def __init__(
        self,
        models: Mapping[str, Behaviour] | Behaviour,
        *,
        obeys_n: bool = True,
        supports_schema: bool = True,
        api_key: str | None = None,
        lists_models: bool = True,
        obeys_max_tokens: bool = True,
    ) -> None:
        self.models = dict(models) if isinstance(models, Mapping) else {"scripted": models}
        self.obeys_n, self.supports_schema, self.api_key = obeys_n, supports_schema, api_key
        self.lists_models, self.obeys_max_tokens = lists_models, obeys_max_tokens
        self.requests: list[Mapping[str, Any]] = []
        self.closing = threading.Event()
        self._lock = threading.Lock()
        self._http = _Server(self)
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )

    @property
    def url(self) -> str:
        """The base URL, ending in ``/v1``."""
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    def received(self, body: Mapping[str, Any]) -> int:
        """Keep a request and return how many came before."""
        with self._lock:
            self.requests.append(body)
            return len(self.requests) - 1

    def __enter__(self) -> "ScriptedServer":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()


class _Server(ThreadingHTTPServer):
    """Threads that end with the process, and no traces of clients that hang up."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, scripted: ScriptedServer) -> None:
        self.scripted = scripted
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    """Answers as the behaviours of its server say."""

    protocol_version = "HTTP/1.1"

    @property
    def _scripted(self) -> ScriptedServer:
        assert isinstance(self.server, _Server)
        return self.server.scripted

    def do_GET(self) -> None:
        if not (self.path.endswith("/models") and self._scripted.lists_models):
            return self._refuse(404, f"no such path: {self.path}")
        self._send(
            200, {"object": "list", "data": [{"id": m, "object": "model"} for m in self._scripted.models]}
        )

    def do_POST(self) -> None:
        server, key = self._scripted, self.headers.get("authorization")
        body = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))) or b"{}")
        if server.api_key and key != f"Bearer {server.api_key}":
            return self._refuse(401, f"wrong key {key}")
        if "response_format" in body and not server.supports_schema:
            return self._refuse(400, "response_format json_schema is not supported")
        behaviour = server.models.get(body.get("model", ""))
        if behaviour is None:
            return self._refuse(404, f"the model {body.get('model')!r} does not exist")
        index = server.received(body)
        n = int(body.get("n", 1)) if server.obeys_n else 1
        replies = [behaviour(ScriptedCall(body, index, i)) for i in range(n)]
        self._answer(body, [_cut(r, body) for r in replies] if server.obeys_max_tokens else replies)

    def _answer(self, body: Mapping[str, Any], replies: Sequence[ScriptedReply]) -> None:
        first = replies[0]
        if first.delay_s:
            self._scripted.closing.wait(first.delay_s)
        if first.drop:
            self.close_connection = True
        elif first.raw is not None:
            self._send_bytes(first.status, first.raw, first.headers)
        elif first.status != 200:
            self._refuse(first.status, first.text or "scripted fault", first.headers)
        else:
            self._send(200, _completion_body(body, replies))

    def _refuse(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        self._send(status, {"error": {"message": message}}, headers)

    def _send(self, status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> None:
        self._send_bytes(status, json.dumps(body).encode(), headers or {})

    def _send_bytes(self, status: int, data: bytes, headers: Mapping[str, str]) -> None:
        try:
            self.send_response(status)
            for name, value in {"content-type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the client gave up waiting, which is its right

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: ``ScriptedServer.requests`` keeps what came."""


def _cut(reply: ScriptedReply, body: Mapping[str, Any]) -> ScriptedReply:
    """Return the reply as far as ``max_tokens`` lets it come, thinking included; a token is four characters."""
    most = body.get("max_completion_tokens", body.get("max_tokens"))
    if not isinstance(most, int) or len(reply.thought) + len(reply.text) <= 4 * most:
        return reply
    thought = reply.thought[: 4 * most]
    return replace(
        reply,
        thought=thought,
        text=reply.text[: 4 * most - len(thought)],
        finish_reason="length",
        logprobs=None if reply.logprobs is None else reply.logprobs[:most],
    )


def _completion_body(body: Mapping[str, Any], replies: Sequence[ScriptedReply]) -> Mapping[str, Any]:
    """Return the JSON of a chat completion; tokens are counted as four characters each."""
    prompt = sum(len(str(m.get("content", ""))) for m in body.get("messages", ())) // 4
    choices = []
    for i, reply in enumerate(replies):
        message = {"role": "assistant", "content": reply.text}
        if reply.thought:
            message["reasoning_content"] = reply.thought
        choice: dict[str, Any] = {"index": i, "message": message, "finish_reason": reply.finish_reason}
        if reply.logprobs is not None:
            choice["logprobs"] = {"content": list(reply.logprobs)}
        choices.append(choice)
    completion = sum(len(r.text) + len(r.thought) for r in replies) // 4
    usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    common = {
        "id": "scripted",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": body.get("model"),
    }
    return {**common, "choices": choices, "usage": usage}
