"""``--planner SPEC`` at the door: a specification that cannot work is refused before a study is created.

Later the study goes on without a model that fails; a model that is not there at the start is more likely a mistake.
"""

import os
from importlib.util import find_spec

from ...agent.planner.specification import PLANNER_FORMS, PlannerText
from ...serving.errors import EndpointUnreachable, InvalidInput

FORMS = f"{PLANNER_FORMS} or none"


def checked_planner(spec: str | None, *, deadline_s: float = 10.0) -> str | None:
    """Return the specification, None for none. Raises InvalidInput, or EndpointUnreachable where nothing listens."""
    if spec is None or spec == "none":
        return None
    text = PlannerText.read(spec)
    address = text.address
    if address.startswith(("http://", "https://")):
        _require_listener(address, deadline_s)
        return spec
    if address == "embedded" and find_spec("trialogue.agent.planner.embedded") is None:
        raise InvalidInput(
            "`--planner embedded`: the embedded model is not part of this installation; use --planner none."
        )
    if address != "embedded" and not text.own_server:
        raise InvalidInput(f"`--planner` must be {FORMS}, got {spec!r}.")
    return spec


def _require_listener(spec: str, deadline_s: float) -> None:
    from ...serving.endpoints.client import OpenAIClient
    from ...serving.errors import ServingError

    try:
        OpenAIClient(spec.partition("#")[0], api_key=os.environ.get("OPENAI_API_KEY")).models(
            deadline_s=deadline_s
        )
    except EndpointUnreachable as error:
        raise EndpointUnreachable(
            f"{error} Start it, correct the address, or go on with --planner none."
        ) from None
    except ServingError:
        return  # it answers; whether it completes chats, the first call will tell
