"""Removes what must not leave this machine, or appear in a log: keys, home directories, host names, addresses.

Failure texts come from arbitrary programs. Nothing here can promise that every secret is found: texts for endpoints
elsewhere are also cut to a few hundred characters, and ``trialogue doctor --show-prompt`` prints exactly what is sent.
Every pattern is linear in the text: a name is tried at its first character only.
"""

import os
import re
import socket
from collections.abc import Sequence

_KEYS = re.compile(
    r"\b(?:sk|pk|rk|hf|gh[pousr]|glpat|xox[abprs]|AKIA|ASIA|AIza|nvapi|gsk)[-_]?[A-Za-z0-9_\-]{12,}"
    r"|(?i:bearer|basic)\s+[A-Za-z0-9+/_.=\-]{8,}"
    r"|(?<![A-Za-z0-9_\-])eyJ[A-Za-z0-9_\-]{10,}+\.[A-Za-z0-9_\-.]{10,}"
)
_ASSIGNED = re.compile(
    r"(?<![A-Za-z0-9_\-.])([A-Za-z0-9_\-.]++)(\"?+\s*+[=:]\s*+)(?!\d++(?:\.\d++)?+\b)(\"[^\"]*\"|'[^']*'|[^\s,;&}]+)"
)
_SECRET = re.compile(r"(?i)api[-_]?key|token(?!s)|secret|passwd|password|credential|authorization")
"""In a name, it says that the value is secret; numbers stay (``max_tokens=512``, ``token: 7``)."""
_USERINFO = re.compile(r"(?<=://)[^/\s:@]+(?::[^/\s@]*)?@")
_HOMES = re.compile(r"(?:/home/|/Users/|/root(?=/|\b)|[A-Za-z]:\\Users\\)[^\s/\\:'\"]*")
_DOTTED = re.compile(r"(?<![A-Za-z0-9\-.])[A-Za-z0-9\-]++(?:\.[A-Za-z0-9\-]++)++")
_INTERNAL = {"internal", "local", "lan", "corp", "intra", "cluster", "svc", "compute"}
_ADDRESSES = re.compile(
    r"\b(?!127\.)\d{1,3}(?:\.\d{1,3}){3}\b|\b(?:[0-9a-fA-F]{1,4}:){5,7}[0-9a-fA-F]{1,4}\b"
)
_MAILS = re.compile(r"(?<![\w.+\-])[\w.+\-]++@[\w\-]++\.[\w.\-]+\b")


def redact(text: str, secrets: Sequence[str] = ()) -> str:
    """Return ``text`` without keys, passwords, home directories, host names and addresses; ``secrets`` go verbatim."""
    text = hide_secrets(text, secrets)
    text = _HOMES.sub("~", text)
    home, host = os.path.expanduser("~"), socket.gethostname()
    if len(home) > 2:
        text = text.replace(home, "~")
    if len(host) > 2 and host != "localhost":
        text = re.sub(rf"\b{re.escape(host)}\b", "<host>", text)
    return _ADDRESSES.sub("<address>", _DOTTED.sub(_host, _MAILS.sub("<mail>", text)))


def hide_secrets(text: str, secrets: Sequence[str] = ()) -> str:
    """Return ``text`` without keys and passwords; paths and hosts stay. For logs and errors on this machine."""
    for secret in sorted({s for s in secrets if len(s) >= 4}, key=len, reverse=True):
        text = text.replace(secret, "<secret>")
    text = _KEYS.sub("<secret>", _USERINFO.sub("<secret>@", text))
    return _ASSIGNED.sub(lambda m: f"{m[1]}{m[2]}<secret>" if _SECRET.search(m[1]) else m[0], text)


def _host(match: re.Match[str]) -> str:
    labels = match[0].split(".")[1:]
    return "<host>" if any(label.partition("-")[0].lower() in _INTERNAL for label in labels) else match[0]


def shorten(text: str, limit: int) -> str:
    """Return ``text`` in one line of at most ``limit`` characters: where it is longer, its end (errors stand last)."""
    line = " ".join(text.split())
    return line if len(line) <= limit else "…" + line[-(limit - 1) :]
