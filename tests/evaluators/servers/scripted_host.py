"""The other side of the wire for tests of the target: a host process and its servers, scripted, with no vLLM.

Run in place of an environment's Python. As a host it speaks the lines of ``helpers/host.py``; each server is a process
of its own that answers over HTTP. ``SCRIPTED`` names a folder: ``rules.json`` holds a list of rules, each with ``when`` (a
word that the server's arguments must have; "default": must have no option of a configuration), and what it does:
``reset`` or ``completions`` ("500", "cut", "die": end by SIGKILL), ``times`` (so often; else always), ``exit`` (end with
these words at the start), ``text`` (what it answers); a rule for "preflight" kills the host. ``events.jsonl`` tells what
happened.
"""

import http.server
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import ClassVar

FOLDER = Path(os.environ["SCRIPTED"])
OURS = {"--host", "--port", "--disable-uvicorn-access-log", "--served-model-name", "--enforce-eager"}


def note(**event: object) -> None:
    with open(FOLDER / "events.jsonl", "a") as file:
        file.write(json.dumps(event) + "\n")


def rule_for(argv: list[str], what: str) -> dict:
    """Return the first rule of this server that says something of ``what`` and is not used up."""
    plain = not [word for word in argv if word.startswith("--") and word not in OURS]
    path = FOLDER / "rules.json"
    rules = json.loads(path.read_text()) if path.exists() else []
    for rule in rules:
        if what in rule and (rule["when"] in argv or (rule["when"] == "default" and plain)):
            if rule.get("times", 1) <= 0:
                continue
            if "times" in rule:
                rule["times"] -= 1
                path.write_text(json.dumps(rules))
            return rule
    return {}


class Server(http.server.BaseHTTPRequestHandler):
    """One scripted server."""

    argv: ClassVar[list[str]] = []

    def log_message(self, format: str, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Be healthy."""
        self.reply(200, {})

    def do_POST(self) -> None:
        """Answer by the rules."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        what = "reset" if self.path == "/reset_prefix_cache" else "completions"
        note(event=what, argv=self.argv)
        act = rule_for(self.argv, what).get(what)
        if act == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if act == "cut":
            return
        text = rule_for(self.argv, "text").get("text", "the same words")
        answer = {"success": True} if what == "reset" else {"choices": [{"text": text}]}
        self.reply(500 if act == "500" else 200, answer)

    def reply(self, status: int, answer: dict) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def serve(argv: list[str]) -> None:
    """Serve until killed."""
    words = rule_for(argv, "exit").get("exit")
    if words:
        print(words, flush=True)
        sys.exit(1)
    Server.argv = argv
    port = int(argv[argv.index("--port") + 1])
    http.server.ThreadingHTTPServer(("127.0.0.1", port), Server).serve_forever()


class Host:
    """Speaks the host's lines; holds the servers."""

    def __init__(self) -> None:
        self.servers: dict[int, subprocess.Popen[bytes]] = {}

    def serve(self, asked: dict) -> dict:
        with open(asked["log"], "ab") as log:
            command = [sys.executable, __file__, "serve", *asked["argv"]]
            made = subprocess.Popen(command, env=asked["env"], stdout=log, stderr=log, start_new_session=True)
        self.servers[made.pid] = made
        note(event="start", argv=asked["argv"])
        return {"ok": True, "pid": made.pid}

    def poll(self, asked: dict) -> dict:
        server = self.servers.get(asked["pid"])
        code = None if server is None else server.poll()
        return {
            "ok": True,
            "exit": code,
            "processes": [] if server is None or code is not None else [server.pid],
        }

    def stop(self, asked: dict) -> dict:
        server = self.servers.pop(asked["pid"], None)
        if server is not None:
            server.kill()
            server.wait()
            note(event="stop", pid=server.pid)
        return {"ok": True}

    def preflight(self, asked: dict) -> dict:
        if rule_for(["preflight"], "preflight"):
            os.kill(os.getpid(), signal.SIGKILL)
        return {
            "ok": True,
            "answers": [{"ok": True, "resolved": argv, "front_end": {}} for argv in asked["argvs"]],
        }

    def load(self, asked: dict) -> dict:
        """Send one request; the numbers are always the same."""
        url = asked["argv"][asked["argv"].index("--base-url") + 1] + "/v1/completions"
        began = time.monotonic()
        try:
            urllib.request.urlopen(urllib.request.Request(url, b"{}"), timeout=10).read()
            failed = 0
        except OSError:
            failed = 1
        raw = {
            "output_throughput": 100.0, "total_token_throughput": 200.0, "request_throughput": 10.0, "failed": failed,
            "duration": 1.0 + time.monotonic() - began, "completed": 1 - failed,
        }  # fmt: skip
        return {"ok": True, "result": raw}

    def run(self) -> None:
        print(json.dumps({"event": "ready", "scratch": str(FOLDER / "scratch")}), flush=True)
        for line in sys.stdin:
            asked = json.loads(line)
            print(json.dumps({"id": asked.get("id"), **getattr(self, asked["op"])(asked)}), flush=True)
        for pid in list(self.servers):
            self.stop({"pid": pid})


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2:])
    else:
        Host().run()
