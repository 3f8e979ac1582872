"""MCP: the verbs as tools for other agents, studies as resources, and prompts to begin with. Stdio and streamable HTTP.

Over HTTP the guard has admitted the request; which tool is called it could not see, so scope and study are
checked here.
Each request stands alone (stateless), so that a restart of the server loses no session. Runs no evaluation unless the
local process was started with an evaluator of its own (stdio only).
"""

import contextlib
import inspect
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import anyio.to_thread
import structlog
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.transport_security import TransportSecuritySettings
from mcp_types import ToolAnnotations

from ...agent.study.study import Study
from ...agent.verbs.context import Desk, Evaluate
from ...agent.verbs.read import LEDGER_VERBS, STUDY_VERBS
from ...agent.verbs.verb import Answer, Verb
from ...agent.views.as_json import study_view, trial_view
from ...serving.errors import TrialogueError
from ..http.rendering import cleaned, rendered
from ..http.rights import LOCAL, Caller
from ..reports.drawing import draw
from ..service.context import Services
from ..study_files.study_file import parse_specification

INSTRUCTIONS = """trialogue tunes expensive things: a language model proposes, a Gaussian process checks, an
experiment decides.
Begin with the tool `studies`. A trial is asked for with `ask`, evaluated by you or by a worker, and told with `tell`
(or `fail`, with the reason). `explain` says why a trial was chosen. Results are in the objective's own unit."""
log = structlog.get_logger("trialogue.api")
_OF_NO_STUDY = {"studies", "create", "draft"}


def build_mcp(services: Services) -> tuple[Any, Callable[[], contextlib.AbstractAsyncContextManager[None]]]:
    """Return the ASGI application to mount, and what must run around it."""
    server = mcp_for(services)
    # Host and Origin are the guard's business, which stands before this and knows the allowed names.
    security = TransportSecuritySettings(enable_dns_rebinding_protection=False)
    app = server.streamable_http_app(
        streamable_http_path="/", stateless_http=True, json_response=True, transport_security=security
    )

    @contextlib.asynccontextmanager
    async def running() -> AsyncIterator[None]:
        async with server.session_manager.run():
            yield

    return app, running


def mcp_for(services: Services, *, evaluate: Evaluate | None = None) -> MCPServer:
    """Return an MCP server over these studies. ``evaluate``: for a local process that may run trials itself."""
    _log_in_short()
    server = MCPServer("trialogue", instructions=INSTRUCTIONS, log_level="WARNING")
    door = _Door(services, evaluate)
    for verb in (*STUDY_VERBS, *LEDGER_VERBS):
        if verb.name != "open":  # every tool names its study
            about = ToolAnnotations(read_only_hint=not verb.needs_approval, open_world_hint=False)
            server.add_tool(
                door.tool(verb), name=verb.name, description=verb.function.__doc__, annotations=about
            )
    door.add_resources(server)
    _add_prompts(server)
    return server


class _Door:
    """Takes calls from MCP to the verbs, with the caller's rights."""

    def __init__(self, services: Services, evaluate: Evaluate | None) -> None:
        self.services, self.evaluate = services, evaluate

    def tool(self, verb: Verb) -> Callable[..., Any]:
        """Return the function that MCP calls: the verb's arguments after the study's name."""

        async def call(ctx: Any, **arguments: Any) -> dict[str, Any]:
            caller = _caller(ctx)
            try:
                return await self.services.work.run(lambda: self._answer(verb, caller, arguments))
            except TrialogueError as error:
                raise ToolError(f"{type(error).__name__}: {error}") from error

        kind = inspect.Parameter.KEYWORD_ONLY
        extra = [inspect.Parameter("ctx", kind, annotation=Context)]
        if verb.name not in _OF_NO_STUDY:
            extra.append(inspect.Parameter("study", kind, annotation=str))
        parameters = [p.replace(kind=kind) for p in (*extra, *verb.parameters)]
        call.__signature__ = inspect.Signature(parameters, return_annotation=dict[str, Any])  # pyright: ignore[reportFunctionMemberAccess]
        call.__annotations__ = {p.name: p.annotation for p in parameters} | {"return": dict[str, Any]}
        call.__name__ = verb.name
        return call

    def _answer(self, verb: Verb, caller: Caller, arguments: Mapping[str, Any]) -> dict[str, Any]:
        caller.need(verb.scope, f"`{verb.name}`")
        arguments_left = dict(arguments)
        name = arguments_left.pop("study", None)
        desk = self._desk(caller, None if name is None else self.study(caller, name))
        answer: Answer = verb.function(desk, **arguments_left)
        return cleaned({"text": answer.text, "data": answer.data})

    def study(self, caller: Caller, name: str) -> Study:
        """Return a study that the caller may see. Raises StudyNotFound."""
        return self.services.shelf.study(caller.check_sees(name))

    def _desk(self, caller: Caller, study: Study | None) -> Desk:
        def create(toml: str) -> Study:
            specification = parse_specification(toml)
            for name in specification.studies:
                caller.check_sees(name)
            return self.services.shelf.create(specification)

        return Desk(
            self.services.ledger,
            study,
            evaluate=self.evaluate,
            figure=draw,
            create=create,
            may_see=caller.sees,
            changed=self.services.shelf.adopt,
            allowance=self.services.allowance(caller),
        )

    def add_resources(self, server: MCPServer) -> None:
        """Offer studies as resources that an agent can read. A list of all is a tool: a resource without a
        variable is not told who calls."""

        @server.resource(
            "study://{name}", mime_type="application/json", description="A study: problem, counts, best."
        )
        async def one(name: str, ctx: Context) -> str:
            caller = _caller(ctx)

            def read() -> dict[str, Any]:
                return study_view(
                    self.services.ledger, self.services.shelf.stored(self.study(caller, name).name)
                )

            return rendered(await anyio.to_thread.run_sync(read))

        @server.resource(
            "study://{name}/history", mime_type="application/json", description="The newest 500 trials."
        )
        async def history(name: str, ctx: Context) -> str:
            caller = _caller(ctx)

            def read() -> list[dict[str, Any]]:
                study = self.study(caller, name)
                records, _ = self.services.ledger.page(study.stored, limit=500)
                return [trial_view(study.problem, r) for r in records]

            return rendered(await anyio.to_thread.run_sync(read))


class ShortLog(logging.Handler):
    """Takes what the SDK logs into our log, a line for each; drawn as the SDK does it, the trace of one deeply nested
    message keeps the event loop for minutes."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log one record."""
        kind = record.exc_info[0] if record.exc_info else None
        log.warning("mcp", detail=record.getMessage()[:300], error=kind.__name__ if kind else "")


def _log_in_short() -> None:
    theirs = logging.getLogger("mcp")
    theirs.propagate = False
    theirs.handlers = [ShortLog(logging.WARNING)]


def _caller(ctx: Any) -> Caller:
    """Return who calls: whom the guard admitted over HTTP, the local user over stdio and in process."""
    request = ctx.request_context.request
    return LOCAL if request is None else request.scope["state"]["caller"]


def _add_prompts(server: MCPServer) -> None:
    @server.prompt(description="Look at a study and say how it stands.")
    def review_study(study: str) -> str:
        return (
            f"Look at the study {study!r} with the tools `show`, `best`, `compare`, `importances` and `trials`. Say in a "
            "few sentences what was found, which parameters matter, what failed and why, and what you would try next."
        )

    @server.prompt(description="Tune something by hand: ask, evaluate, tell.")
    def tune_by_hand(study: str, trials: str = "10") -> str:
        return (
            f"Run {trials} trials of the study {study!r}: call `ask`, evaluate the parameters it gives, and `tell` the "
            "measured value, or `fail` with the reason. Never invent a measurement. At the end call `compare`."
        )

    @server.prompt(description="Turn a description of a problem into a study.")
    def new_study(description: str) -> str:
        return (
            "Draft a specification with the tool `draft`, correct names, ranges, scales, objective and direction with "
            f"me, then call `create`. The problem: {description}"
        )
