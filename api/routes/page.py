"""The web page's files, the probes and the metrics. The page's files hold no data and need no key; the probes wait for
no other work."""

from importlib.resources import files
from pathlib import Path

import anyio.to_thread
from anyio import move_on_after
from fastapi import APIRouter
from fastapi.responses import FileResponse, HTMLResponse, Response

from ...agent.errors import LedgerUnavailable
from ..http.rendering import Json
from ..http.rights import READ, GuardedRoute
from ..service.context import Parts
from ..service.problems import answer

router = APIRouter(tags=["page"], include_in_schema=False)
guarded = APIRouter(tags=["page"], include_in_schema=False, route_class=GuardedRoute)
LOOK_S = 5.0
"""How long a probe waits for the database."""
STATIC = Path(str(files("trialogue.api.routes").joinpath("static")))
SHARED = Path(str(files("trialogue.api.reports").joinpath("static")))
"""What the report has in itself too."""
TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".html": "text/html"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
)
"""Plotly writes style attributes, hence 'unsafe-inline' for styles; no script but our own files runs."""
SAFE = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


@router.get("/")
async def page() -> FileResponse:
    """Return the one page there is."""
    return FileResponse(STATIC / "index.html", headers=SAFE)


@router.get("/static/{name}")
async def static(name: str) -> Response:
    """Return one of the page's files, or plotly.js out of the plotly wheel."""
    if name == "plotly.min.js":
        return FileResponse(
            plotly_js(), media_type="text/javascript", headers={**SAFE, "Cache-Control": "max-age=86400"}
        )
    by_name = {p.name: p for p in (*STATIC.iterdir(), *SHARED.iterdir()) if p.suffix in TYPES}
    if name not in by_name:
        return answer(404, "HttpError", "There is no such file.")
    return FileResponse(by_name[name], media_type=TYPES[by_name[name].suffix], headers=SAFE)


@router.get("/gallery")
async def gallery() -> HTMLResponse:
    """Return the cards of what can be tuned as it is, with pictures; they are the package's, and hold no data."""
    from ..reports.gallery import whole_page

    return HTMLResponse(await anyio.to_thread.run_sync(whole_page), headers=SAFE)


@router.get("/favicon.ico")
async def favicon() -> FileResponse:
    """Return the icon to browsers that ask for it here."""
    return FileResponse(STATIC / "icon.svg", media_type="image/svg+xml", headers=SAFE)


@router.get("/health")
async def health() -> dict[str, str]:
    """Say that the process lives."""
    return {"status": "ok"}


@router.get("/ready")
async def ready(services: Parts) -> Response:
    """Say whether requests can be served: the database answers and the server is not shutting down."""
    if not services.ready:
        return answer(
            503, "NotReady", "The server is starting or shutting down.", headers={"Retry-After": "2"}
        )

    def look() -> None:
        with services.ledger.database.read():
            pass

    trouble = f"The database did not answer within {LOOK_S:g} s."
    try:
        with move_on_after(LOOK_S):
            await anyio.to_thread.run_sync(look, limiter=services.looks, abandon_on_cancel=True)
            return Json({"status": "ready"})
    except LedgerUnavailable as error:
        trouble = str(error)
    return answer(503, "LedgerUnavailable", trouble, headers={"Retry-After": "2"})


@guarded.get("/metrics", openapi_extra=READ)
async def metrics(services: Parts) -> Response:
    """Return the metrics for Prometheus."""
    services.metrics.open_studies.set(len(services.shelf))
    return Response(services.metrics.text(), media_type="text/plain; version=0.0.4")


def plotly_js() -> Path:
    """Return the path of plotly.js in the installed plotly package."""
    return Path(str(files("plotly").joinpath("package_data", "plotly.min.js")))
