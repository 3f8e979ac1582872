"""REST: what a study teaches. Best, Pareto front, posterior at a point, importances, figures, the report."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from ...agent.certainty.of_study import certainty_of, is_verification, outcome
from ...agent.verbs.context import Desk
from ...agent.verbs.read import compare as compared
from ...agent.views.as_json import trial_view
from ..http.rights import LONG, READ, GuardedRoute
from ..reports.drawing import Figure, draw, page_of, shares
from ..service import schemas
from ..service.context import Here

router = APIRouter(prefix="/v1/studies/{study_name}", tags=["insight"], route_class=GuardedRoute)
Objective = Annotated[int, Query(ge=0, le=100)]


@router.get("/best", openapi_extra=READ)
def best(here: Here) -> dict[str, Any]:
    """Return the best feasible trial; 409 while there is none."""
    return trial_view(here.study.problem, here.study.best_trial)


@router.get("/pareto", openapi_extra=READ)
def pareto(here: Here) -> dict[str, Any]:
    """Return the feasible trials that no other beats in every objective."""
    study = here.study
    return {"items": [trial_view(study.problem, r) for r in study.pareto_front]}


@router.get("/certainty", openapi_extra=READ | LONG)
def certainty(here: Here) -> dict[str, Any] | None:
    """Return what is certain about the best trial: its verifications, the noise, its luck; null while there is none."""
    answer = certainty_of(here.services.ledger, here.stored)
    return None if answer is None else answer.to_dict()


@router.get("/verification", openapi_extra=READ | LONG)
def verification(here: Here) -> dict[str, Any] | None:
    """Return what this study says as a verification of another one; null where it is none."""
    stored = here.stored
    return outcome(here.services.ledger, stored).to_dict() if is_verification(stored) else None


@router.get("/compare", openapi_extra=READ | LONG)
def compare(here: Here) -> dict[str, Any]:
    """Compare the best configuration with the default one."""
    return compared(Desk(here.services.ledger, here.study)).data


@router.post("/predict", openapi_extra=READ | LONG)
def predict(here: Here, body: schemas.PredictBody) -> dict[str, Any]:
    """Return what the surrogate believes at a configuration; ``prediction`` is null while there is too little
    to model."""
    study = here.study
    params = study.problem.space.validate(body.params)
    belief = study.predict(params)
    if belief is None:
        return {"params": params, "prediction": None}
    prediction = {"mean": list(belief.mean), "sd": list(belief.sd), "p_feasible": belief.p_feasible}
    return {"params": params, "prediction": prediction}


@router.get("/importances", openapi_extra=READ | LONG)
def importances(here: Here, objective: Objective = 0) -> dict[str, float]:
    """Return each parameter's share of the objective's variation; 409 with too few results."""
    return shares(here.study, objective)


@router.get("/figures/{figure}", openapi_extra=READ | LONG)
def figure(here: Here, figure: Figure, objective: Objective = 0) -> dict[str, Any]:
    """Return a figure as plotly JSON: history, parallel, slices, importances, sources, calibration, pareto."""
    return draw(here.study, figure, objective)


@router.get("/report", response_class=HTMLResponse, openapi_extra=READ | LONG)
def report(here: Here) -> HTMLResponse:
    """Return the study as one self-contained HTML page, to be saved."""
    page = page_of(here.study, made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"))
    # Its script and style stand in the page; a sandbox keeps them away from this server's own origin.
    policy = (
        "sandbox allow-scripts allow-downloads; default-src 'none'; img-src data: blob:; "
        "style-src 'unsafe-inline'; script-src 'unsafe-inline'"
    )
    name = "".join(c if c.isalnum() or c in "._-" else "-" for c in here.name)
    headers = {
        "Content-Security-Policy": policy,
        "Content-Disposition": f'inline; filename="{name.encode("ascii", "ignore").decode()}-report.html"',
    }
    return HTMLResponse(page, headers=headers)
