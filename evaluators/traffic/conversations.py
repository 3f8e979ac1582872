"""Recorded conversations as requests: ShareGPT's ``conversations`` or a chat log's ``messages``.

A request is a user's turn that an assistant's follows; its prompt is what was said before it and the turn itself, its
length that of the recorded answer. Turns of an assistant that come first are passed over. Knows no file and no server.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

CHARACTERS_PER_TOKEN = 4  # of a recorded text whose tokens were not counted
_USERS = frozenset({"user", "human"})
_SYSTEMS = frozenset({"system", "developer"})
_ASSISTANTS = frozenset({"assistant", "gpt", "chatgpt", "model", "bot", "bard", "bing"})


def first_request(system: object, turns: Sequence[Any]) -> dict[str, Any] | None:  # Any: JSON
    """Return prompt and lengths of the first answered request, with the system's text before it; None without one."""
    messages = _told(turns)
    for i, question, answer in _answered(messages):
        systems = [text_of(system), *(text for role, text in messages[:i] if role in _SYSTEMS)]
        return _request([*systems, question], answer)
    return None


def every_request(system: object, turns: Sequence[Any]) -> list[dict[str, Any]]:  # Any: JSON
    """Return prompt and lengths of every answered request: each prompt begins with the one before it and its answer."""
    messages = _told(turns)
    return [
        _request([text_of(system), *(text for _, text in messages[:i]), question], answer)
        for i, question, answer in _answered(messages)
    ]


def abreast(talks: Sequence[Sequence[dict[str, Any]]], at_once: int) -> Iterator[dict[str, Any]]:  # Any: JSON
    """Yield the requests of conversations of which ``at_once`` are held at a time: the turns of one in their order,
    those of the others between them; a conversation that has ended makes room for the next."""
    waiting = iter(talks)
    iterators = [iter(talk) for talk in itertools.islice(waiting, at_once)]
    while iterators:
        going: list[Iterator[dict[str, Any]]] = []  # Any: JSON
        for talk in iterators:
            request = next(talk, None)
            if request is None:
                following = next(waiting, None)
                going += [] if following is None else [iter(following)]
            else:
                yield request
                going.append(talk)
        iterators = going


def tokens_of(text: str) -> int:
    """Return about how many tokens a text has, at least one."""
    return max(len(text) // CHARACTERS_PER_TOKEN, 1)


def text_of(content: Any) -> str:  # Any: JSON
    """Return text, also from a list of parts as chat logs have them."""
    if isinstance(content, list):
        return "".join(text_of(c.get("text")) for c in content if isinstance(c, Mapping))
    return content if isinstance(content, str) else ""


def _told(turns: Sequence[Any]) -> list[tuple[str, str]]:  # Any: JSON
    """Return (who, text) of each turn; where nobody is named they speak in turns, the user first."""
    messages = [_turn(t) for t in turns]
    if all(role == "" for role, _ in messages):
        return [(("user", "assistant")[i % 2], text) for i, (_, text) in enumerate(messages)]
    return messages


def _turn(turn: Any) -> tuple[str, str]:  # Any: JSON
    if not isinstance(turn, Mapping):
        return "", text_of(turn)
    role = str(turn.get("from") or turn.get("role") or "").casefold()
    return role, text_of(turn.get("value") or turn.get("content"))


def _answered(told: Sequence[tuple[str, str]]) -> Iterator[tuple[int, str, str]]:
    """Yield (place, question, answer) of every answered turn of a user."""
    for i, ((role, question), (next_role, answer)) in enumerate(itertools.pairwise(told)):
        if role in _USERS and next_role in _ASSISTANTS and question and answer:
            yield i, question, answer


def _request(said: Sequence[str], answer: str) -> dict[str, Any]:  # Any: JSON
    prompt = "\n".join(filter(None, said))
    return {"prompt": prompt, "input_len": tokens_of(prompt), "output_len": tokens_of(answer)}
