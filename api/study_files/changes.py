"""Settings of a study that a command line replaces: ``KEY=VALUE`` texts, checked like the file itself.

Knows nothing of commands.
"""

from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import ValidationError

from ...agent.planner.specification import PlannerText
from ...evaluators.errors import InvalidSpecification
from ...evaluators.problems.toml import read_toml
from .complaints import first_complaint
from .tables import StudySettings

_S = TypeVar("_S", bound=StudySettings)


def with_changes(settings: _S, said: Sequence[str]) -> _S:
    """Return the settings with each ``KEY=VALUE`` of ``said`` in place, later ones over earlier ones.

    KEY is a key of ``[study]``, with a dot for one of a table (``engine.design``); VALUE is TOML, or else text as it
    stands. Raises InvalidSpecification.
    """
    plain: dict[str, Any] = settings.model_dump(exclude_unset=True, exclude_none=True)
    for text in said:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise InvalidSpecification(f"`--set` must be KEY=VALUE, such as engine.design=dpp, got {text!r}.")
        *tables, last = key.strip().split(".")
        place = plain
        for table in tables:
            if isinstance(place.get(table), str) and table == "planner":
                place[table] = PlannerText.read(place[table]).to_table()
            place = place.setdefault(table, {})
            if not isinstance(place, dict):
                raise InvalidSpecification(f"`--set {text}`: {table!r} is no table.")
        place[last] = _value(value.strip())
    try:
        return type(settings).model_validate(plain)
    except ValidationError as error:
        raise InvalidSpecification(f"--set: {first_complaint(error, type(settings))}") from None


def _value(text: str) -> Any:  # Any: what TOML can say
    try:
        return read_toml(f"value = {text}", "--set")["value"]
    except InvalidSpecification:
        return text
