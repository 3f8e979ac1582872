"""What programs send by mistake and people on purpose, as requests: every field of every body, of every tool and of a study
file, texts in every path, query and header, and bytes that are no HTTP.

Shared by the tests of the service and by ``benchmarks/fuzz.py``. ``everything`` wants a server with a study called
``open`` of ``PROBLEM`` with running trials; nothing it yields ends that study.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from trialogue.agent.verbs.read import LEDGER_VERBS, STUDY_VERBS

HOSTILE = [
    "NaN", "Infinity", "-Infinity", "1e999", "-0.0", "5e-324", "9" * 400, "-" + "9" * 5_000, str(2**31), str(2**63), "true",
    "null", '""', '" "', r'"\ud800"', r'"a\udfffb"', r'"\u0000"', r'"a\u0000b"', r'"\u001b[31m\u0007\u0008"', r'"\u202e"',
    '"' + "x" * 100_000 + '"', '"' + "a1" * 2_000 + '"', "[" * 10_000 + "]" * 10_000, '{"a":' * 10_000 + "1" + "}" * 10_000,
    "{}", "[]", r'{"\u0000": 1}', r'{"\ud800": NaN}', '{"__class__": [1]}', "[null]",
]  # fmt: skip
MEASUREMENT = {
    "values": [0.5], "sem": [0.1], "constraints": {"c": 1.0}, "metrics": {"m": 1.0}, "seconds": 1.0, "cost": 1.0,
}  # fmt: skip
PROBLEM = {
    "name": "p", "description": "words", "context": {"k": "v"}, "constraints": [{"name": "c", "upper": 1.0, "unit": "s"}],
    "objectives": [{"name": "y", "direction": "minimize", "unit": "s", "description": "d"}],
    "space": {
        "parameters": {
            "x": {"type": "float", "low": 0.0, "high": 1.0, "default": 0.5, "description": "d", "unit": "u"},
            "k": {"type": "categorical", "choices": ["a", "b"], "default": "a"},
            "n": {"type": "int", "low": 1, "high": 4, "step": 1},
            "z": {"type": "float", "low": 0.0, "high": 1.0, "when": {"k": ["b"]}},
        },
        "where": ["x <= n"],
    },
}  # fmt: skip
S = "/v1/studies/open"
BODIES: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "/v1/studies", {"name": "new", "problem": PROBLEM, "seed": 1, "planner": None, "strategy": "random",
                             "budget": {"trials": 9, "seconds": 9.0, "price": 1.0}, "exist_ok": True}),
    ("POST", "/v1/studies", {"toml": "[study]\nname = 'a'\n[parameters.x]\ntype = 'float'\nlow = 0\nhigh = 1\n"}),
    ("POST", "/v1/draft", {"text": "lr from 1e-4 to 1e-1", "name": "draft"}),
    ("POST", f"{S}/ask", {"n": 1, "fixed": {"x": 0.5}, "worker": "w", "lease_s": 9.0}),
    ("POST", f"{S}/heartbeat", {"worker": "w", "numbers": [0], "lease_s": 9.0}),
    ("POST", f"{S}/trials/0/tell", {"measurement": MEASUREMENT, "kind": "crash", "requeue": False}),
    ("POST", f"{S}/trials/0/tell", {"failed": "why", "kind": "crash"}),
    ("POST", f"{S}/trials/0/report", {"step": 1, "value": 0.5}),
    ("POST", f"{S}/trials/0/exclude", {"reason": "why"}),
    ("POST", f"{S}/enqueue", {"params": {"x": 0.5, "n": 2, "k": "a"}, "reason": "why"}),
    ("POST", f"{S}/add", {"rows": [{"params": {"x": 0.5, "n": 2, "k": "a"}, "measurement": MEASUREMENT}]}),
    ("POST", f"{S}/predict", {"params": {"x": 0.5, "n": 2, "k": "a"}}),
    ("POST", f"{S}/order", {"n": 1}),
    ("PUT", f"{S}/budget", {"trials": 99, "seconds": 9e9, "tokens": 9, "calls": 9, "price": 9.0}),
    ("POST", f"{S}/fork", {"name": "fork", "problem": PROBLEM}),
    ("POST", f"{S}/verify", {"candidate": 0, "against": 0, "objective": 0, "pairs": 5, "least": 0.1}),
    ("POST", f"{S}/note", {"text": "words"}),
    ("POST", f"{S}/chat", {"text": "/show"}),
    ("POST", f"{S}/chat/decisions", {"decisions": [{"type": "edit", "arguments": {"n": 1}, "message": "m"}]}),
]  # fmt: skip
PATHS = [
    "/v1/studies/{}", "/v1/studies/{}/trials", f"{S}/trials/{{}}", f"{S}/figures/{{}}", f"{S}/trials?source={{}}",
    f"{S}/trials?after={{}}", f"{S}/log?after={{}}", "/v1/studies?contains={}", "/v1/studies?after={}", "/static/{}", "/{}",
]  # fmt: skip
TEXTS = [
    "NaN",
    "\x00",
    "a\x00b",
    "\x1b[31m",
    "9" * 400,
    "x" * 5_000,
    "..",
    "%",
    "ü\u202e",
    "-1",
    "1e3",
    "{}",
    "[[" * 500,
]

JSON = {"Content-Type": "application/json"}
MCP = JSON | {"Accept": "application/json, text/event-stream"}
SPECIFICATION = """[study]
name = "a"
seed = 1
strategy = "random"
[budget]
trials = 9
seconds = 9.5
[problem]
description = "words"
objectives = [{ name = "y", direction = "minimize", unit = "s" }]
constraints = ["c <= 1"]
where = ["x <= n"]
context = { k = "v" }
[parameters.x]
type = "float"
low = 0.5
high = 1.5
default = 0.75
[parameters.n]
type = "int"
low = 1
high = 4
step = 1
[parameters.k]
type = "categorical"
choices = ["a", "b"]
when = { n = [1] }
"""
TOML = [
    "nan", "-inf", "1e999", "9" * 400, "true", "1979-05-27T07:32:00Z", "07:32:00", '""', '"\\u0000"', '"\\ud800"', '"\\u202e"',
    '"' + "x" * 100_000 + '"', "[" * 10_000 + "]" * 10_000, "{}", "[[]]", "{ none = true }", '{ "" = 1 }', "0x7fffffffffffffff",
    '"""a\nb"""', "'", "",
]  # fmt: skip
HEADERS = ["Idempotency-Key", "If-Match", "Authorization", "Accept", "Content-Type", "Content-Encoding", "Range",
           "X-Forwarded-For",
           "X-Forwarded-Proto", "Cookie", "Traceparent", "Expect", "Last-Event-ID", "Mcp-Session-Id"]  # fmt: skip
RAW = [
    b"", b"\r\n" * 50, b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00" * 9,
    b"GET /v1/studies HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"a" * 300_000 + b"\r\n\r\n",
    b"GET /" + b"a" * 300_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET /v1/studies/\xed\xa0\x80 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET /v1/studies/\xff HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET /v1/studies HTTP/1.1\r\nHost: \xff\xfe\r\n\r\n", b"GET /v1/studies HTTP/1.1\r\nHost: [::1\r\n\r\n",
    b"GET /v1/studies HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"GET http://[ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"POST /v1/draft HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n",
    b"POST /v1/draft HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    b"POST /v1/draft HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST /v1/draft HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n1\r\na\r\n0\r\n\r\n",
    b"POST /v1/draft HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n{",
    b"POST /v1/draft HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 5_000,
    b"CONNECT /v1/studies HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
]  # fmt: skip


@dataclass(frozen=True)
class Sent:
    """One request; ``kind`` says what of it is hostile, ``about`` where."""

    kind: str
    method: str
    path: str
    content: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    about: object = None


def everything(document: dict[str, Any]) -> Iterator[Sent]:
    """All requests; ``document``: the service's OpenAPI document, for its queries."""
    yield from bodies()
    yield from study_files()
    yield from tools()
    yield from commands()
    yield from names()
    yield from paths()
    yield from queries(document)
    yield from headers()


def bodies(*, half: bool = False) -> Iterator[Sent]:
    """Every field of every body. ``half``: every field gets half of the values, its neighbour the other half."""
    for method, path, body in BODIES:
        for i, at in enumerate(places(body)):
            marked = json.dumps(with_mark(body, at))
            for text in HOSTILE[i % 2 :: 2] if half else HOSTILE:
                content = marked.replace('"@@"', text).encode("utf-8", "surrogatepass")
                yield Sent("body", method, path, content, JSON, (at, text[:60]))


def study_files() -> Iterator[Sent]:
    """Every value of a study file, and its text cut short."""
    lines = SPECIFICATION.splitlines()
    for i, line in enumerate(lines):
        key, equals, _ = line.partition(" = ")
        for text in TOML if equals else ():
            changed = "\n".join([*lines[:i], f"{key} = {text}", *lines[i + 1 :]])
            yield _file(changed, (key, text[:60]))
        yield _file("\n".join(lines[:i]), ("cut", i))
        yield _file("\n".join([*lines[:i], line, line, *lines[i + 1 :]]), ("twice", i))


def _file(text: str, about: object) -> Sent:
    return Sent("study file", "POST", "/v1/studies", json.dumps({"toml": text}).encode(), JSON, about)


def tools() -> Iterator[Sent]:
    """Every argument of every tool over MCP, and of the call itself."""
    for verb in (*STUDY_VERBS, *LEDGER_VERBS):
        for name in ("study", *(p.name for p in verb.parameters)):
            for text in HOSTILE:
                given = f'"study": "open", "n": 1, "trial": 0, {json.dumps(name)}: {text}'
                params = f'"name": "{verb.name}", "arguments": {{{given}}}'
                yield _call("tools/call", f"{{{params}}}", (verb.name, name, text[:60]))
    for method in ("tools/call", "resources/read", "prompts/get", "initialize", "nonsense"):
        for text in HOSTILE:
            yield _call(method, text, (method, text[:60]))
            yield _call(method, f'{{"uri": {text}, "name": {text}}}', (method, "name", text[:60]))
    for text in HOSTILE:
        yield Sent("tool", "POST", "/mcp", text.encode("utf-8", "surrogatepass"), MCP, text[:60])


def _call(method: str, params: str, about: object) -> Sent:
    content = f'{{"jsonrpc": "2.0", "id": 1, "method": "{method}", "params": {params}}}'
    return Sent("tool", "POST", "/mcp", content.encode("utf-8", "surrogatepass"), MCP, about)


def commands() -> Iterator[Sent]:
    """Every command of the chat with words that it does not expect."""
    words = [
        *TEXTS,
        "-1",
        "nan",
        "1e400",
        "x=" + "9" * 400,
        "x=nan n=1e999",
        '"',
        "x=[1",
        "0 nan",
        "0 " + "9" * 5_000,
        "a" + "1" * 1_500,
    ]
    for verb in STUDY_VERBS:
        for text in words:
            said = f"/{verb.name} {text}"
            yield Sent("command", "POST", f"{S}/chat", json.dumps({"text": said}).encode(), JSON, said[:60])


def names() -> Iterator[Sent]:
    """Studies and keys with names that some door might not say."""
    for text in [
        *TEXTS,
        "chat",
        "con",
        "a/b",
        "a%2Fb",
        " a",
        "a ",
        "\u202ea",
        "\U0001f600",
        "x" * 10_000,
        "0",
        ".",
        "events",
        "best",
    ]:
        body = {"name": text, "problem": PROBLEM, "strategy": "random"}
        at = quote(text, safe="", errors="surrogatepass")
        yield Sent("name", "POST", "/v1/studies", json.dumps(body).encode(), JSON, text[:60])
        for path in (f"/v1/studies/{at}", f"/v1/studies/{at}/trials", f"/v1/studies/{at}/report"):
            yield Sent("name", "GET", path, about=text[:60])
        yield Sent("name", "POST", f"{S}/fork", json.dumps({"name": text}).encode(), JSON, text[:60])
        yield Sent("name", "POST", "/v1/keys", json.dumps({"name": text}).encode(), JSON, text[:60])
        yield Sent("name", "DELETE", f"/v1/studies/{at}", about=text[:60])


def paths() -> Iterator[Sent]:
    """Texts in every path, by every method."""
    for path in PATHS:
        for text in TEXTS:
            for method in ("GET", "POST", "PUT", "DELETE", "PATCH"):
                at = path.format(quote(text, safe=""))
                yield Sent("path", method, at, b"{}" if method != "GET" else b"", JSON, text[:60])


def queries(document: dict[str, Any]) -> Iterator[Sent]:
    """Texts in every query parameter of the document, once and twice."""
    for path, methods in document["paths"].items():
        for parameter in methods.get("get", {}).get("parameters", ()):
            if parameter["in"] == "query" and not path.endswith("/events"):
                at = (
                    path.replace("{study_name}", "open")
                    .replace("{figure}", "history")
                    .replace("{number}", "0")
                )
                for text in TEXTS:
                    word = f"{parameter['name']}={quote(text, safe='')}"
                    yield Sent("query", "GET", f"{at}?{word}", about=text[:60])
                    yield Sent("query", "GET", f"{at}?{word}&{word}", about=text[:60])


def headers() -> Iterator[Sent]:
    """Bytes in every header that somebody reads."""
    texts = [
        "",
        "\xff\xfe",
        "a" * 5_000,
        "9" * 400,
        "gzip",
        "*/*;q=nan",
        "chunked",
        "bytes=0-",
        "Bearer ",
        "Bearer \xff",
        '"',
        "W/1",
        ";=,",
    ]
    for name in HEADERS:
        for text in texts:
            for method, path, body in BODIES[3:5]:
                yield Sent(
                    "header", method, path, json.dumps(body).encode(), JSON | {name: text}, (name, text[:60])
                )


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a body, the whole of it too."""
    yield at
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(inner, (*at, key))


def with_mark(value: Any, at: tuple[Any, ...]) -> Any:
    if not at:
        return "@@"
    inner = with_mark(value[at[0]], at[1:])
    return (
        value | {at[0]: inner} if isinstance(value, dict) else [*value[: at[0]], inner, *value[at[0] + 1 :]]
    )
