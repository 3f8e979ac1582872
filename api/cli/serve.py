"""``trialogue serve`` and ``trialogue mcp``: the service and its agent door, as processes; ``trialogue backup`` and
``restore``."""

import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ...serving.errors import InvalidInput
from ..options import DEFAULT_STORAGE, Storage

Names = Annotated[
    list[str] | None, typer.Option(metavar="NAME", help="Also answer to this host name (repeat).")
]
SWITCH_S = 0.0005
"""How long a thread that computes keeps the interpreter from the event loop, which asks for it again after every system
call, some for each request: with Python's 5 ms a burst of two hundred asks held health up for a second."""


def serve(
    storage: Storage = DEFAULT_STORAGE,
    host: Annotated[
        str, typer.Option(help="Address to serve on; others than loopback need --keys.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Port to serve on; 0 takes a free one.")
    ] = 8765,
    keys: Annotated[
        bool, typer.Option("--keys/--no-keys", help="Ask for API keys (`trialogue keys add`).")
    ] = False,
    planner: Annotated[
        list[str] | None, typer.Option(metavar="SPEC", help="A planner that studies may choose (repeat).")
    ] = None,
    chat_model: Annotated[
        str | None,
        typer.Option(metavar="URL", envvar="TRIALOGUE_CHAT_MODEL", help="Chat model: BASE_URL#MODEL."),
    ] = None,
    pruner: Annotated[
        Literal["none", "median", "hyperband"],
        typer.Option(help="Stop hopeless trials early by their reports."),
    ] = "none",
    allow_host: Names = None,
    allow_origin: Annotated[
        list[str] | None, typer.Option(metavar="ORIGIN", help="Let a page of this origin call (repeat).")
    ] = None,
    root_path: Annotated[
        str, typer.Option(metavar="PREFIX", help="URL prefix behind a proxy, such as /tune.")
    ] = "",
    requests_per_minute: Annotated[int, typer.Option(min=1, help="Requests per caller and minute.")] = 6_000,
    stream: Annotated[
        bool, typer.Option("--stream/--no-stream", help="Stream the chat model's words.")
    ] = True,
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], typer.Option(help="Least level.")
    ] = "info",
    log_format: Annotated[Literal["json", "text"], typer.Option(help="How log lines are written.")] = "text",
) -> None:
    """Serve studies over HTTP: web page, REST with events, chat and MCP. Never runs an evaluation: workers do.

    Ctrl-C or SIGTERM ends it: open requests finish, nothing is lost, workers wait until it is back.
    """
    from ...agent.ledger.ledger import Ledger
    from ..server.app import ServerSettings, create_app
    from ..service.telemetry import configure_logs

    configure_logs(level=log_level, as_json=log_format == "json")
    settings = ServerSettings(
        storage=storage, host=host, port=port, keys=keys, planners=tuple(planner or ("embedded",)),
        chat_model=chat_model, chat_stream=stream, pruner=pruner, allow_hosts=tuple(allow_host or ()),
        allow_origins=tuple(allow_origin or ()), root_path=root_path.rstrip("/"),
        requests_per_minute=requests_per_minute,
    )  # fmt: skip
    app = create_app(settings, Ledger(storage))
    typer.echo(f"trialogue serves {storage} on http://{_shown(host)}:{port}{settings.root_path}/", err=True)
    if not _listen(app, host, port):
        raise InvalidInput(f"`--port {port}` on {host} cannot be served on; is another server running there?")


def _listen(app: Any, host: str, port: int) -> bool:  # Any: the application, whose library is loaded on use
    """Serve until a signal ends it; return whether it ever began."""
    import uvicorn

    config = uvicorn.Config(
        app, host=host, port=port, log_config=None, access_log=False, ws="none", server_header=False,
        timeout_graceful_shutdown=10, limit_concurrency=2_000, h11_max_incomplete_event_size=65_536,
    )  # fmt: skip
    server = uvicorn.Server(config)
    sys.setswitchinterval(SWITCH_S)
    server.run()
    return server.started


def mcp(
    storage: Storage = DEFAULT_STORAGE,
    evaluator: Annotated[
        Path | None,
        typer.Option(metavar="STUDY.toml", help="Let the tool `run` evaluate with this file's evaluator."),
    ] = None,
) -> None:
    """Offer the studies to another agent over MCP on stdin and stdout. Over HTTP it is at /mcp of `trialogue serve`."""
    from ...agent.ledger.ledger import Ledger
    from ..mcp.tools import mcp_for
    from ..server.app import ServerSettings, build_services
    from ..service.telemetry import configure_logs
    from ..study_files.study_file import read_specification

    configure_logs(level="warning", as_json=False)
    evaluate = None if evaluator is None else read_specification(evaluator).evaluate
    services = build_services(ServerSettings(storage=storage), Ledger(storage))
    mcp_for(services, evaluate=evaluate).run("stdio")


def backup(
    output: Annotated[Path, typer.Argument(metavar="FILE", help="Where the copy goes; must not exist.")],
    storage: Storage = DEFAULT_STORAGE,
) -> None:
    """Copy an SQLite ledger to a file, consistently, while others work on it. For PostgreSQL use pg_dump."""
    from ...agent.ledger.ledger import Ledger
    from .manage import require_database

    require_database(storage)
    Ledger(storage).backup(output)
    print(output)


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A copy that `trialogue backup` made.")],
    storage: Storage = DEFAULT_STORAGE,
) -> None:
    """Make a new SQLite ledger out of a backup. The ledger must not exist yet: nothing is overwritten."""
    import sqlalchemy as sa

    url = sa.make_url(storage)
    if url.get_backend_name() != "sqlite" or not url.database:
        raise InvalidInput(
            f"only SQLite files are restored here, `--storage` is {storage!r}; use pg_restore."
        )
    target = Path(url.database)
    if target.exists():
        raise InvalidInput(f"`--storage` must not exist yet, {str(target)!r} does; move it away first.")
    trouble = _what_is_wrong(file)
    if trouble:
        raise InvalidInput(
            f"{str(file)!r} is no sound backup of a ledger ({trouble}); take one of `trialogue backup`."
        )
    shutil.copyfile(file, target)
    print(target)


def _what_is_wrong(file: Path) -> str:
    """Return in words why a file cannot be restored; nothing when it can."""
    if not file.is_file():
        return "there is no such file"
    try:
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as copy:
            tables = {row[0] for row in copy.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            sound = copy.execute("PRAGMA integrity_check").fetchone()[0]
    except sqlite3.DatabaseError as error:
        return str(error)
    if sound != "ok":
        return str(sound)
    return "" if "trialogue_studies" in tables else "it holds no studies"


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
