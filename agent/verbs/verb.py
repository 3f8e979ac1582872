"""What a verb is, and how a line of words becomes one: the grammar that chat, MCP, REST and page share.

A verb is a plain typed function over a desk (``tools.py``). Its signature says everything a door needs: argument names
and types become the schema a model sees, the usage line a person sees, and the parser of ``/verb 3 C=1 because …``.
Knows no study and no model.
"""

import inspect
import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_origin, get_type_hints

from ...evaluators.problems.history import Params, Value
from ...serving.errors import InvalidInput

Effect = Literal["reads", "works", "changes", "runs"]
"""``reads``: free to call. ``works``: alters nothing, and takes the server's time. ``changes``: alters the study.
``runs``: spends an evaluation. The last two need approval, and all but the first a key that may write."""


@dataclass(frozen=True)
class Answer:
    """What a verb says: ``text`` (Markdown, for people and models) and ``data`` (JSON values, for programs)."""

    text: str
    data: Any = None


@dataclass(frozen=True)
class Verb:
    """A verb by name. ``function(desk, **arguments) -> Answer``; the first line of its docstring is the help."""

    name: str
    function: Callable[..., Answer]
    effect: Effect = "reads"

    @property
    def help(self) -> str:
        """The first line of the function's docstring."""
        return (inspect.getdoc(self.function) or "").split("\n", 1)[0]

    @property
    def scope(self) -> Literal["read", "write"]:
        """What an API key must hold."""
        return "read" if self.effect == "reads" else "write"

    @property
    def needs_approval(self) -> bool:
        """Whether a person is asked first when a model calls it."""
        return self.effect in ("changes", "runs")

    @property
    def parameters(self) -> Sequence[inspect.Parameter]:
        """The function's parameters without the desk, annotations resolved."""
        hints = get_type_hints(self.function)
        own = list(inspect.signature(self.function).parameters.values())[1:]
        return [p.replace(annotation=hints[p.name]) for p in own]

    @property
    def usage(self) -> str:
        """The line a person sees: ``/predict NAME=VALUE…``."""
        return " ".join([f"/{self.name}", *(_shown(p) for p in self.parameters)])

    def callable(
        self, call: Callable[["Verb", Mapping[str, Any]], Any], *extra: inspect.Parameter
    ) -> Callable[..., Any]:
        """Return a function with this verb's signature (after ``extra`` parameters) that passes its arguments
        to ``call``."""

        def bound(**arguments: Any) -> Any:
            return call(self, arguments)

        parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in (*extra, *self.parameters)]
        bound.__name__ = self.name
        bound.__doc__ = inspect.getdoc(self.function)
        bound.__signature__ = inspect.Signature(parameters)  # pyright: ignore[reportFunctionMemberAccess]
        bound.__annotations__ = {p.name: p.annotation for p in parameters}
        return bound


def _is_mapping(parameter: inspect.Parameter) -> bool:
    annotation = parameter.annotation
    options = getattr(annotation, "__args__", ()) if get_origin(annotation) is not Mapping else ()
    return any(get_origin(a) is Mapping or a is Params for a in (annotation, *options))


def _takes_rest(parameter: inspect.Parameter) -> bool:
    return parameter.annotation is str and parameter.name in ("text", "reason")


def _shown(parameter: inspect.Parameter) -> str:
    if _is_mapping(parameter):
        word = "NAME=VALUE…"
    elif _takes_rest(parameter):
        word = f"{parameter.name.upper()}…"
    else:
        word = parameter.name.upper()
    return word if parameter.default is inspect.Parameter.empty else f"[{word}]"


def read_value(text: str) -> Value:
    """Return a typed value: JSON where it is JSON (``1e-3``, ``true``, ``null``), else the word itself."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return text if isinstance(value, (list, dict)) else value


def parse(verb: Verb, rest: str, *, partial: bool = False) -> dict[str, Any]:
    """Return the arguments that ``rest`` of a command line means for ``verb``. Raises InvalidInput with the usage.

    ``partial``: arguments may be missing, for they change a request that has them.
    """
    arguments: dict[str, Any] = {}
    waiting = [p for p in verb.parameters if not _is_mapping(p)]
    pairs_to = next((p.name for p in verb.parameters if _is_mapping(p)), None)
    words = _words(rest)
    n_words = len(words)
    while words:
        word = words.pop(0)
        name, sign, value = word.partition("=")
        if sign and any(p.name == name for p in waiting):
            parameter = next(p for p in waiting if p.name == name)
            waiting.remove(parameter)
            arguments[name] = _typed(verb, parameter, value)
        elif sign and pairs_to and name:
            arguments.setdefault(pairs_to, {})[name] = read_value(value)
        elif waiting:
            parameter = waiting.pop(0)
            if _takes_rest(parameter):  # as it was typed, with its quotes and lines
                arguments[parameter.name] = rest.split(maxsplit=n_words - len(words) - 1)[-1].strip()
                break
            arguments[parameter.name] = _typed(verb, parameter, word)
        else:
            raise InvalidInput(f"{word!r} is one word too many; usage: {verb.usage}")
    missing = [
        p.name for p in verb.parameters if p.default is inspect.Parameter.empty and p.name not in arguments
    ]
    if missing and not partial:
        raise InvalidInput(f"`/{verb.name}` needs {', '.join(missing)}; usage: {verb.usage}")
    return arguments


def _words(rest: str) -> list[str]:
    """Split as a shell does, so that values may hold spaces; sentences with quotes in them are split plainly."""
    try:
        words = shlex.split(rest)
    except ValueError:  # an apostrophe in a sentence is not a quote
        return rest.split()
    return words if len(words) == len(rest.split()) or "=" in rest else rest.split()


def _typed(verb: Verb, parameter: inspect.Parameter, word: str) -> Any:
    kinds = getattr(parameter.annotation, "__args__", (parameter.annotation,))
    for kind in (int, float):
        if kind in kinds:
            try:
                return kind(word)
            except ValueError:
                if str not in kinds:
                    raise InvalidInput(
                        f"`{parameter.name}` must be a number, got {word!r}; usage: {verb.usage}"
                    ) from None
    if get_origin(parameter.annotation) is Literal and word not in kinds:
        raise InvalidInput(f"`{parameter.name}` must be one of {', '.join(map(str, kinds))}, got {word!r}.")
    return word
