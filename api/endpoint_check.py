"""Does an endpoint answer, serve the model that is asked for, and obey a JSON schema? Asks for one short answer.

Imports the openai client; `doctor.py` imports this module only when an endpoint is to be checked.
"""

import json
import os
import time
from collections.abc import Iterator

from ..serving.chat import ChatRequest, Message
from ..serving.client import OpenAIClient
from ..serving.errors import ServingError
from .findings import Finding

ANSWER_SCHEMA = {
    "type": "object",
    "properties": {"kernel": {"type": "string", "enum": ["linear", "rbf"]}},
    "required": ["kernel"],
    "additionalProperties": False,
}


def check_endpoint(spec: str, timeout_s: float) -> Iterator[Finding]:
    """Ask an endpoint for its models and for one answer that must obey a JSON schema."""
    url, _, named = spec.partition("#")
    try:
        client = OpenAIClient(
            url, model=named or os.environ.get("TRIALOGUE_MODEL"), api_key=os.environ.get("OPENAI_API_KEY")
        )
        offered = client.models(deadline_s=min(timeout_s, 15.0))
        yield Finding("endpoint", "ok", f"{url} answers and serves {', '.join(offered[:5]) or 'no model'}")
        if named and named not in offered:
            yield Finding(
                "model", "bad", f"{named!r} is not among them", f"name one that is: {url}#{offered[0]}"
            )
            return
        yield Finding("model", "ok", client.identify(deadline_s=min(timeout_s, 15.0)))
        yield _check_structured_output(client, timeout_s)
    except ServingError as error:
        yield Finding("endpoint", "bad", str(error), "start the server, or correct address, key or model")


def _check_structured_output(client: OpenAIClient, timeout_s: float) -> Finding:
    words = 'Choose a kernel for a support vector machine. Answer with JSON such as {"kernel": "rbf"}.'
    started = time.monotonic()
    answer = client.complete(
        ChatRequest((Message("user", words),), schema=ANSWER_SCHEMA, max_tokens=256), deadline_s=timeout_s
    )
    took_s = time.monotonic() - started
    spent = f"{took_s:.1f} s, {answer.usage.total} tokens"
    if "schema" in client.traits.refused:
        cure = "proposals are read from plain text instead; a server with structured output wastes fewer"
        return Finding("JSON schema", "note", f"the server refuses schemas ({spent})", cure)
    try:
        obeyed = json.loads(answer.completions[0].text)["kernel"] in ("linear", "rbf")
    except (ValueError, KeyError, TypeError, IndexError):
        obeyed = False
    if not obeyed:
        cure = "turn on structured output in the server; proposals are checked one by one anyway"
        return Finding("JSON schema", "note", f"taken, but the answer breaks it ({spent})", cure)
    return Finding("JSON schema", "ok", f"the answer obeys the schema ({spent})")
