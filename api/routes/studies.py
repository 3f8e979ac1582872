"""REST: studies. Make, list, look, fork, order, note, delete; who the caller is."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from ...agent.certainty.of_study import outcome
from ...agent.certainty.verdict import Certified
from ...agent.study.verify import VerificationPlan, open_verification
from ...agent.verbs.change import allow_more, note as noted
from ...agent.verbs.context import Desk, set_budget
from ...agent.verbs.draft import draft as drafted, guesses_in
from ...agent.views.across import across
from ...agent.views.as_json import study_lines, study_view
from ...evaluators.problems.problem import Problem
from ..http.rendering import Json
from ..http.rights import ADMIN, LONG, READ, WRITE, GuardedRoute
from ..service import schemas
from ..service.context import Here, Parts, Who, idempotency_key
from ..study_files.tables import BudgetTable

router = APIRouter(prefix="/v1", tags=["studies"], route_class=GuardedRoute)


@router.get("/about", openapi_extra=READ)
def about(services: Parts, caller: Who) -> dict[str, Any]:
    """Return who you are here, and what this server offers."""
    from importlib.metadata import version

    return {
        "version": version("trialogue"),
        "caller": {
            "name": caller.name,
            "scope": caller.scope,
            "studies": caller.studies and sorted(caller.studies),
        },
        "planners": list(services.shelf.planners),
        "chat_model": services.chats.model_name if services.chats else None,
        "keys": services.keys is not None,
    }


@router.get("/studies", openapi_extra=READ)
def studies(
    services: Parts,
    caller: Who,
    limit: Annotated[int, Query(ge=1, le=200)] = 60,
    after: Annotated[int | None, Query(ge=0, le=2**62)] = None,
    contains: Annotated[str, Query(max_length=100)] = "",
) -> dict[str, Any]:
    """List the studies you may see, newest first; ``next`` is the ``after`` of the next page.

    ``contains``: words that must all be in the name or the note.
    """
    names = None if caller.studies is None else sorted(caller.studies)
    items, following = study_lines(services.ledger, limit=limit, before=after, contains=contains, names=names)
    return {"items": items, "next": following}


@router.get("/across", openapi_extra=READ | LONG)
def side_by_side(
    services: Parts,
    caller: Who,
    *,
    study: Annotated[list[schemas.StoredName], Query(default_factory=list, max_length=60)],
    limit: Annotated[int, Query(ge=1, le=60)] = 20,
    after: Annotated[int | None, Query(ge=0, le=2**62)] = None,
    contains: Annotated[str, Query(max_length=100)] = "",
) -> dict[str, Any]:
    """Put studies side by side, newest first: what a list says of each, its cost and time, and its best so far over
    trials, seconds and cost. ``study`` (repeated) takes only these; ``next`` is the ``after`` of the next page."""
    visible = (
        None
        if not study and caller.studies is None
        else [n for n in study or caller.studies or () if caller.sees(n)]
    )
    items, following = across(services.ledger, limit=limit, before=after, contains=contains, names=visible)
    return {"items": items, "next": following}


@router.post("/studies", status_code=201, openapi_extra=WRITE | LONG)
def create(request: Request, services: Parts, caller: Who, body: schemas.StudyBody) -> Json:
    """Make a study. Nothing is run: workers pull its trials, each with the evaluator it was started with."""
    specification = body.specification()

    def made() -> dict[str, Any]:
        for name in specification.studies:
            caller.check_sees(name)
        study = services.shelf.create(specification, exist_ok=body.exist_ok)
        return study_view(services.ledger, study.stored)

    return Json(services.answers.once(idempotency_key(request, caller), made), 201)


@router.post("/draft", openapi_extra=WRITE | LONG)
def draft(services: Parts, body: schemas.DraftBody) -> dict[str, Any]:
    """Draft a specification from a sentence, a script's --help text or a specification itself. Nothing is made or run.

    ``guesses`` name what the words did not say.
    """
    toml = drafted(body.text, name=body.name)
    return {"toml": toml, "guesses": guesses_in(toml)}


@router.get("/studies/{study_name}", openapi_extra=READ)
def study(here: Here) -> Response:
    """Return a study: problem, counts, best, budget. The ETag is its revision, for ``If-Match``."""
    view = study_view(here.services.ledger, here.stored)
    return Json(view, headers={"ETag": f'"{view["revision"]}"'})


@router.delete("/studies/{study_name}", status_code=204, openapi_extra=ADMIN)
def delete(here: Here) -> Response:
    """Delete a study and all that belongs to it."""
    here.services.shelf.delete(here.name)
    return Response(status_code=204)


@router.post("/studies/{study_name}/order", openapi_extra=WRITE)
def order(here: Here, body: schemas.OrderBody) -> Json:
    """Let the workers run n more trials."""
    return here.once(lambda: {"budget": {"trials": allow_more(here.study, body.n)}})


@router.put("/studies/{study_name}/budget", openapi_extra=WRITE)
def budget(here: Here, body: BudgetTable) -> Json:
    """Replace the study's limits."""

    def changed() -> dict[str, Any]:
        set_budget(here.study, body.budget())
        return here.study.budget.to_dict()

    return here.once(changed)


@router.post("/studies/{study_name}/fork", status_code=201, openapi_extra=WRITE | LONG)
def fork(here: Here, body: schemas.ForkBody) -> Json:
    """Make a study with this one's trials, as far as they fit into the problem given."""

    def forked() -> dict[str, Any]:
        problem = here.study.problem if body.problem is None else Problem.from_dict(body.problem)
        fork_of_study = here.study.fork(here.caller.check_sees(body.name), problem=problem)
        here.services.shelf.adopt(fork_of_study)
        return study_view(here.services.ledger, fork_of_study.stored)

    return here.once(forked, status=201)


@router.post("/studies/{study_name}/verify", openapi_extra=WRITE)
def verify(here: Here, body: schemas.VerifyBody) -> Json:
    """Open the verification of a trial: workers run it and another one in turns, until it is certain or hopeless.

    ``verification`` is the name of the study whose trials the runs are.
    """

    def opened() -> dict[str, Any]:
        verification = open_verification(here.study, VerificationPlan(**body.model_dump()))
        if isinstance(verification, Certified):
            return verification.to_dict()
        here.services.shelf.forget(verification.name)  # its plan may have grown
        return outcome(here.services.ledger, verification).to_dict()

    return here.once(opened)


@router.post("/studies/{study_name}/note", openapi_extra=WRITE)
def note(here: Here, body: schemas.NoteBody) -> Json:
    """Write the note of the study or of a trial, in place of the last one."""
    return here.once(lambda: noted(Desk(here.services.ledger, here.study), body.text, body.trial).data)


@router.post("/studies/{study_name}/reap", openapi_extra=WRITE)
def reap(here: Here) -> Json:
    """Fail the trials whose worker is gone, and queue them again. The server does so by itself every few seconds."""
    return here.once(lambda: {"numbers": here.study.reap(requeue=True)})
