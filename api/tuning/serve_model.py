"""``trialogue serve-model``: run a language model on vLLM or llama.cpp for planners and chat sessions, until Ctrl-C.

Starts the server on 127.0.0.1, proves what it can do, and prints what to pass as ``planner=``.
"""

import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from ...agent.planner.specification import Engine


def serve_model(
    model: Annotated[
        str, typer.Argument(help="Folder, name or GGUF file; `tiny` is made on the spot, for trying.")
    ],
    engine: Annotated[
        Engine | None, typer.Option(help="vllm, or llama (llama-cpp-python), which a GGUF file gets anyway.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port on 127.0.0.1; without it, a free one.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name under which the model is served.")] = None,
    flag: Annotated[
        list[str] | None,
        typer.Option(help="Setting of the server: NAME=VALUE, such as max_model_len=8192 or n_ctx=8192."),
    ] = None,
    tools: Annotated[
        str, typer.Option(help="vLLM's parser of tool calls for this model's family.")
    ] = "hermes",
    check: Annotated[bool, typer.Option("--check", help="Prove what the server can do, then stop.")] = False,
    folder: Annotated[Path, typer.Option(help="Where the server's log is kept.")] = Path("runs")
    / "serve-model",
) -> None:
    """Serve a model: structured output, log-probabilities, prefix caching, tool calls."""
    from ...agent.planner.own_server import served_by
    from ...serving.servers.host import ServerHost
    from ...serving.servers.server import RunningServer
    from ...serving.vllm.capabilities import capabilities
    from .options import flag_values

    kind: Engine = engine or ("llama" if model.endswith(".gguf") else "vllm")
    installation, spec = served_by(kind, model, name=name or Path(model).name, tools=tools)
    flags = flag_values(flag or [])
    if kind == "vllm":
        spec = replace(spec, flags={**spec.flags, **flags})
    else:
        spec = replace(
            spec, variables={**spec.variables, **{key.upper(): str(value) for key, value in flags.items()}}
        )
    with ServerHost(installation, warm=False, folder=folder) as host:
        print(f"starting `{spec.command()}` (half a minute or more) …", flush=True)
        with RunningServer.start(host, spec, log=folder / "server.log", port=port, deadline_s=1800) as server:
            print(
                f"ready after {server.ready_s:.0f} s: planner = {f'{server.base_url}#{server.name}'!r}",
                flush=True,
            )
            abilities = list(capabilities(server.base_url, server.name))
            for one in abilities:
                print(f"{'✓' if one.shown else '✗'} {one.name:<18} {one.detail}", flush=True)
            if check:
                raise typer.Exit(0 if all(one.shown for one in abilities) else 1)
            while server.exit_code() is None:
                time.sleep(1)
            print(f"the server ended: {server.failure()}")
            raise typer.Exit(1)
