"""A model's text without its thoughts, whatever costume they wear.

Thoughts hold drafts: only what follows the last of them is the answer, and a thought that is never closed has none.
The costumes: XML-like tags (`<think>`, `<thought>`, `<reasoning>`, `<思考>`, …), Kimi's `◁think▷`, Magistral's `[THINK]`,
`<|begin_of_thought|>`, Cohere's `<|START_THINKING|>`, and OpenAI's harmony channels, with and without special tokens.
"""

import re

_NAME = (
    r"(?:seed:|mm:)?(?:think(?:ing)?|thoughts?|reason(?:ing)?|reflection|scratchpad|analysis|inner_monologue"
    "|思考|推理|denken|размышление|réflexion|pensamiento)"
)
_MARK = re.compile(
    rf"<(?P<xml>/?){_NAME}(?:\s[^<>]*)?>"
    r"|◁(?P<kimi>/?)think▷"
    r"|\[(?P<bracket>/?)(?-i:THINK(?:ING)?|THOUGHT|REASONING)\]"
    r"|<\|(?P<word>begin_of_thought|end_of_thought|start_thinking|end_thinking)\|>"
    r"|<\|channel\|>\s*(?P<channel>\w+)(?:(?!<\|message\|>).){0,200}<\|message\|>",
    re.IGNORECASE | re.DOTALL,
)
_BARE_CHANNELS = re.compile(
    r"\A\s*analysis(?=\S| ).*?assistant\s*(?:commentary.*?assistant\s*)?final", re.DOTALL
)
"""Harmony's channels after a server has dropped the special tokens around their names."""


def without_thoughts(text: str) -> str:
    """Return what follows the last thought in ``text``: all of it where there is none, nothing after an open one."""
    bare = _BARE_CHANNELS.match(text)
    answer, text = (text[bare.end() :],) * 2 if bare else (text, text)
    for mark in _MARK.finditer(text):
        answer = text[mark.end() :] if _closes(mark) else ""
    return answer


def _closes(mark: re.Match[str]) -> bool:
    if mark["channel"]:
        return mark["channel"].lower() == "final"
    if mark["word"]:
        return mark["word"].lower().startswith("end")
    return "/" in (mark["xml"] or mark["kimi"] or mark["bracket"] or "")
