"""A scripted chat model on the wire: OpenAI's protocol with tool calls and streaming, on the loopback interface.

It answers with the script's next line and keeps what it was asked. A line is text, or (tool, arguments), or an HTTP
status, or a list of deltas, or (status, words), or a function of the request that returns one of these.
"""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Line = str | tuple[str, dict[str, Any]] | tuple[int, str] | int | list[dict[str, Any]]
Script = Line | Callable[[dict[str, Any]], Line]


class ChatPeer:
    """A server with a script. ``requests``: every body received; ``gate``: answers wait until it is set."""

    def __init__(self, script: Sequence[Script]) -> None:
        self.script = list(script)
        self.requests: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        self.gate = threading.Event()
        self.gate.set()
        peer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: Any) -> None: ...

            def do_GET(self) -> None:
                self._send(200, "application/json", json.dumps({"data": [{"id": "peer"}], "object": "list"}))

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                line = peer.next(body)
                peer.gate.wait(30)
                status, words = line if isinstance(line, tuple) else (line, "scripted")
                if isinstance(status, int):
                    self._send(status, "application/json", json.dumps({"error": {"message": words}}))
                elif body.get("stream"):
                    self._send(200, "text/event-stream", "".join(f"data: {c}\n\n" for c in chunks(line)))
                else:
                    self._send(200, "application/json", json.dumps(whole(line)))

            def _send(self, status: int, kind: str, text: str) -> None:
                data = text.encode()
                self.send_response(status)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1#peer"

    def next(self, body: dict[str, Any]) -> Line:
        with self._lock:
            self.requests.append(body)
            line = self.script.pop(0) if self.script else "I have nothing more to say."
        return line(body) if callable(line) else line


@contextlib.contextmanager
def chat_peer(*script: Script) -> Iterator[ChatPeer]:
    """Serve a script."""
    peer = ChatPeer(script)
    thread = threading.Thread(target=peer.http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield peer
    finally:
        peer.http.shutdown()
        peer.http.server_close()
        thread.join(5)


USAGE = {"prompt_tokens": 100, "completion_tokens": 7, "total_tokens": 107}


def message(line: Any) -> dict[str, Any]:
    if isinstance(line, tuple):
        call = {"id": f"call_{abs(hash(str(line))) % 10**9}", "type": "function"}
        call["function"] = {"name": line[0], "arguments": json.dumps(line[1])}
        return {"role": "assistant", "content": None, "tool_calls": [call]}
    return {"role": "assistant", "content": line}


def whole(line: Line) -> dict[str, Any]:
    reason = "tool_calls" if isinstance(line, tuple) else "stop"
    choice = {"index": 0, "message": message(line), "finish_reason": reason}
    return {
        "id": "c",
        "object": "chat.completion",
        "created": 0,
        "model": "peer",
        "choices": [choice],
        "usage": USAGE,
    }


def chunks(line: Line) -> Iterator[str]:
    base = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "peer"}
    if isinstance(line, list):
        for delta in line:
            yield json.dumps({**base, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
        yield json.dumps({**base, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        yield "[DONE]"
        return
    said = message(line)
    if said.get("tool_calls"):
        deltas = [{"role": "assistant", "tool_calls": [{"index": 0, **said["tool_calls"][0]}]}]
    else:
        deltas = [{"role": "assistant", "content": w + " "} for w in str(line).split(" ")]
    for delta in deltas:
        yield json.dumps({**base, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    reason = "tool_calls" if said.get("tool_calls") else "stop"
    yield json.dumps({**base, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
    yield json.dumps({**base, "choices": [], "usage": USAGE})
    yield "[DONE]"
