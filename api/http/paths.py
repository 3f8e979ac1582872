"""Paths as the layers below see them: the URL prefix this server stands under, and names with a slash in them.

A study made from Python may be called ``team/model``; its URL says ``team%2Fmodel``. Servers decode paths before they
route, so an encoded slash becomes a separator. Here each segment is decoded by itself and a slash inside one is kept as
``SLASH``, which no stored name contains (PostgreSQL has no NUL in text). ``named`` gives the name back. A proxy in
front must pass paths on as they are. Knows nothing of studies.
"""

from collections.abc import MutableMapping
from typing import Any
from urllib.parse import unquote

SLASH = "\x00"


class Paths:
    """ASGI middleware: sets the URL prefix, and keeps slashes inside of names."""

    def __init__(self, app: Any, *, prefix: str) -> None:
        self.app, self.prefix = app, prefix

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        """Serve one connection."""
        if scope["type"] == "http":
            if self.prefix:
                scope["root_path"] = self.prefix
            raw = scope.get("raw_path") or b""
            if b"%" in raw:
                segments = raw.decode("ascii", "replace").split("/")
                scope["path"] = "/".join(unquote(segment).replace("/", SLASH) for segment in segments)
            if (
                path_of(scope) == "/mcp"
            ):  # where its application is mounted; a redirect would take the key along
                scope["path"] += "/"
        await self.app(scope, receive, send)


def named(segment: str) -> str:
    """Return the name that a path's segment stands for."""
    return segment.replace(SLASH, "/")


def path_of(scope: MutableMapping[str, Any]) -> str:
    """Return a request's path without the URL prefix, whether the proxy in front strips the prefix or not."""
    path, prefix = scope["path"], scope.get("root_path", "")
    inside = prefix and (path == prefix or path.startswith(prefix + "/"))
    return path[len(prefix) :] or "/" if inside else path
