"""A stand-in for ``python -m sglang.launch_server``: takes the flags that SGLang documents and no other, answers like it.

``installed`` makes a folder that looks like an environment with SGLang. Run as a program it is the server: paths are those
of its HTTP server as documented (``/health``, ``/v1/completions``, ``/get_server_info``, ``/flush_cache``); a word is a token.
``ASKED`` in the environment names a file that takes every command line and every path that was asked for.
"""

import argparse
import http.server
import json
import os
import sys
from pathlib import Path

SHAPED = {
    "--model-path": str, "--host": str, "--port": int, "--served-model-name": str, "--log-level-http": str,
    "--chunked-prefill-size": int, "--max-running-requests": int, "--max-prefill-tokens": int,
    "--mem-fraction-static": float, "--schedule-conservativeness": float, "--num-continuous-decode-steps": int,
    "--attention-backend": str, "--kv-cache-dtype": str,
}  # fmt: skip
SWITCHES = ("--enable-mixed-chunk", "--disable-radix-cache", "--disable-overlap-schedule")


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="launch_server", allow_abbrev=False)
    for flag, kind in SHAPED.items():
        made.add_argument(
            flag, type=kind, help="Such as SGLang says, which may be --long and (default: not told)."
        )
    made.add_argument("--tensor-parallel-size", "--tp-size", type=int, default=1)
    made.add_argument("--data-parallel-size", "--dp-size", type=int, default=1)
    made.add_argument("--schedule-policy", choices=("lpm", "random", "fcfs", "dfs-weight"), default="fcfs")
    for flag in SWITCHES:
        made.add_argument(flag, action="store_true")
    return made


def installed(folder: Path) -> Path:
    """Make an environment in which SGLang is this file; return its Python."""
    (folder / "lib/python3.12/site-packages/sglang-0.5.3.dist-info").mkdir(parents=True)
    python = folder / "bin" / "python"
    python.parent.mkdir()
    served = f'[ "$2" = sglang.launch_server ] && shift 2 && exec {sys.executable} {__file__} "$@"'
    python.write_text(f'#!/bin/sh\n{served}\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    return python


def note(**event: object) -> None:
    if "ASKED" in os.environ:
        with open(os.environ["ASKED"], "a") as file:
            file.write(json.dumps(event) + "\n")


class Server(http.server.BaseHTTPRequestHandler):
    args: argparse.Namespace

    def log_message(self, format: str, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        note(path=self.path)
        known = {"/health": {}, "/get_server_info": {**vars(self.args), "max_total_num_tokens": 4096}}
        self.reply(200 if self.path in known else 404, json.dumps(known.get(self.path, {})).encode())

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        note(path=self.path)
        if self.path == "/flush_cache":
            return self.reply(200, b"Cache flushed.\n")
        if self.path != "/v1/completions" or body["model"] != self.args.served_model_name:
            return self.reply(404, b"{}")
        n = body["max_tokens"]
        if not body.get("stream"):
            return self.reply(200, json.dumps({"choices": [{"text": "so " * n}]}).encode())
        events = [{"choices": [{"text": "so "}]}] * n
        usage = {"prompt_tokens": len(body["prompt"]), "completion_tokens": n}
        told = [json.dumps(e) for e in (*events, {"choices": [], "usage": usage})]
        return self.reply(200, "".join(f"data: {line}\n\n" for line in (*told, "[DONE]")).encode())

    def reply(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    Server.args = parser().parse_args()
    note(argv=sys.argv[1:])
    http.server.ThreadingHTTPServer(("127.0.0.1", Server.args.port), Server).serve_forever()
