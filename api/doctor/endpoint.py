"""Does an endpoint answer, serve the model that is asked for, and obey a JSON schema? Asks for one short answer.

Imports the openai client; `doctor.py` imports this module only when an endpoint is to be checked.
"""

import json
import os
import time
from collections.abc import Iterator

from ...agent.planner.specification import Engine
from ...serving.endpoints.chat import ChatMessage, ChatRequest
from ...serving.endpoints.client import OpenAIClient
from ...serving.errors import InvalidInput, ServingError
from ...serving.vllm.capabilities import capabilities
from .finding import Finding

ANSWER_SCHEMA = {
    "type": "object",
    "properties": {"kernel": {"type": "string", "enum": ["linear", "rbf"]}},
    "required": ["kernel"],
    "additionalProperties": False,
}


def check_endpoint(spec: str, timeout_s: float) -> Iterator[Finding]:
    """Ask an endpoint for its models and for one answer that must obey a JSON schema."""
    url, _, name = spec.partition("#")
    try:
        client = OpenAIClient(
            url, model=name or os.environ.get("TRIALOGUE_MODEL"), api_key=os.environ.get("OPENAI_API_KEY")
        )
        offered = client.models(deadline_s=min(timeout_s, 15.0))
        yield Finding("endpoint", "ok", f"{url} answers and serves {', '.join(offered[:5]) or 'no model'}")
        if name and name not in offered:
            yield Finding(
                "model", "bad", f"{name!r} is not among them", f"name one that is: {url}#{offered[0]}"
            )
            return
        yield Finding("model", "ok", client.identify(deadline_s=min(timeout_s, 15.0)))
        yield _check_structured_output(client, timeout_s)
        yield _abilities(client)
    except ServingError as error:
        yield Finding("endpoint", "bad", str(error), "start the server, or correct address, key or model")


_OPTIONS = {
    "schema": "schemas",
    "system": "the system's role",
    "n": "several answers at once",
    "temperature": "temperatures",
    "seed": "seeds",
    "max_tokens": "max_tokens",
}
"""What the one request above has in it, in words."""


def _abilities(client: OpenAIClient) -> Finding:
    """Say what the server took of a request that had everything in it."""
    refused = client.abilities.refused
    options = ", ".join(words for name, words in _OPTIONS.items() if name not in refused)
    missing = [words for name, words in _OPTIONS.items() if name in refused]
    if client.abilities.stop_thinking:
        missing.append("thinking (it used up the answer, and is switched off)")
    if not missing:
        return Finding("abilities", "ok", f"takes {options}")
    cure = "nothing to do: what it does not take is left out, and the study's ledger remembers it"
    return Finding(
        "abilities", "note", f"takes {options or 'plain messages'}; not: {', '.join(missing)}", cure
    )


CURES = {
    "structured output": "proposals are read from plain text instead",
    "log-probabilities": "surrogates by a language model (`llambo`) need them: vLLM gives them",
    "prefix caching": "histories are read anew in every call; only vLLM's counters can show it",
    "tool calls": "chat sessions need them: `trialogue serve-model` sets vLLM's flags for them",
}


def check_capabilities(base_url: str, model: str, timeout_s: float) -> Iterator[Finding]:
    """Prove what planners and chat sessions use beyond an answer, one request each; what is missing is a note."""
    key = os.environ.get("OPENAI_API_KEY")
    for one in capabilities(base_url, model, timeout_s=timeout_s, api_key=key):
        detail = " ".join(one.detail.split())[:160]
        yield Finding(one.name, "ok" if one.shown else "note", detail, "" if one.shown else CURES[one.name])


def check_own_server(engine: Engine, model: str, timeout_s: float) -> Iterator[Finding]:
    """Start a server of ``model`` as a study would, prove what it can do, and end it."""
    from ...agent.planner.own_server import served_by, started

    title = {"vllm": "vLLM", "llama": "llama.cpp"}[engine]
    try:
        installation, _ = served_by(engine, model)
        yield Finding(title, "ok", f"{installation.version} at {str(installation.python)!r}")
        with started(engine, model) as server:
            yield Finding("server", "ok", f"ready after {server.ready_s:.0f} s")
            yield from check_capabilities(server.base_url, server.name, timeout_s)
    except (ServingError, InvalidInput) as error:
        yield Finding(title, "bad", str(error), "see the message")


def _check_structured_output(client: OpenAIClient, timeout_s: float) -> Finding:
    words = 'Choose a kernel for a support vector machine. Answer with JSON such as {"kernel": "rbf"}.'
    started = time.monotonic()
    messages = (ChatMessage("system", "You choose hyperparameters."), ChatMessage("user", words))
    options = {"n": 2, "temperature": 0.7, "seed": 1, "max_tokens": 256}
    answer = client.complete(ChatRequest(messages, schema=ANSWER_SCHEMA, **options), deadline_s=timeout_s)
    took_s = time.monotonic() - started
    spent = f"{took_s:.1f} s, {answer.usage.total} tokens"
    if "schema" in client.abilities.refused:
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
