"""A chat completion as a stream of events, from servers that stream and from those that do not.

For conversations, where words should appear as they are written. One HTTP request; what to leave out is the caller's.
"""

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx2

from ..errors import EndpointRefused, EndpointTimeout, EndpointUnreachable
from .redaction import hide_secrets
from .refusals import Refusal
from .replies import body_of


def chat_events(
    base_url: str, body: Mapping[str, Any], *, api_key: str | None = None, timeout_s: float
) -> Iterator[Mapping[str, Any]]:
    """Yield the JSON of every event, or of the whole completion where the server does not stream.

    Raises Refusal, EndpointUnreachable, EndpointTimeout; an error event is a Refusal too.
    """
    shown = hide_secrets(base_url)
    secrets = (api_key,) if api_key else ()
    is_local = (urlsplit(base_url).hostname or "") in ("localhost", "127.0.0.1", "::1")
    until = time.monotonic() + timeout_s
    headers = {"authorization": f"Bearer {api_key or 'none'}"}
    url = f"{base_url.rstrip('/')}/chat/completions"
    try:
        with (
            httpx2.Client(timeout=timeout_s, trust_env=not is_local) as http,
            http.stream("POST", url, json=dict(body), headers=headers) as response,
        ):
            if response.status_code != 200:
                raise Refusal.of(
                    shown, response.status_code, response.read().decode(errors="replace"), secrets
                )
            for event in _events(response):
                if event.get("error") and not event.get("choices"):
                    raise Refusal.of(shown, 400, json.dumps(event), secrets)
                yield event
                if time.monotonic() > until:
                    raise EndpointTimeout(f"{shown} did not answer within {timeout_s:.3g} s.")
    except httpx2.TimeoutException:
        raise EndpointTimeout(f"{shown} did not answer within {timeout_s:.3g} s.") from None
    except httpx2.TransportError as error:
        cause = hide_secrets(str(error), secrets)
        raise EndpointUnreachable(f"{shown} cannot be reached ({cause}); is the server running?") from None
    except ValueError as error:
        raise EndpointRefused(f"{shown} did not answer with a completion: {error}") from None


def _events(response: httpx2.Response) -> Iterator[Mapping[str, Any]]:
    if "event-stream" not in response.headers.get("content-type", ""):
        yield body_of(response.read().decode(errors="replace"))
        return
    for line in response.iter_lines():
        data = line.removeprefix("data:").strip() if line.startswith("data:") else ""
        if data == "[DONE]":
            return
        if data:
            yield json.loads(data)
