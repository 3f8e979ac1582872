"""``trialogue serve-model``: run a language model on vLLM for planners and chat sessions, until Ctrl-C.

Starts the server on 127.0.0.1, proves what it can do, and prints what to pass as ``planner=``.
"""

import time
from pathlib import Path
from typing import Annotated

import typer


def serve_model(
    model: Annotated[
        str, typer.Argument(help="Folder or name of the model; `tiny` is made on the spot, for trying.")
    ],
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port on 127.0.0.1; without it, a free one.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name under which the model is served.")] = None,
    flag: Annotated[
        list[str] | None, typer.Option(help="Flag for vLLM: NAME=VALUE, such as max_model_len=8192.")
    ] = None,
    tools: Annotated[
        str, typer.Option(help="vLLM's parser of tool calls for this model's family.")
    ] = "hermes",
    check: Annotated[bool, typer.Option("--check", help="Prove what the server can do, then stop.")] = False,
    folder: Annotated[Path, typer.Option(help="Where the server's log is kept.")] = Path("runs")
    / "serve-model",
) -> None:
    """Serve a model with vLLM: structured output, log-probabilities, prefix caching, tool calls."""
    from ...serving.models.pretrained import model_folder
    from ...serving.servers.host import ServerHost
    from ...serving.servers.server import RunningServer, ServerSpec
    from ...serving.vllm.capabilities import PLANNER_FLAGS, capabilities
    from ...serving.vllm.environment import find_vllm
    from .options import flag_values

    flags = {**PLANNER_FLAGS, "tool_call_parser": tools, **flag_values(flag or [])}
    spec = ServerSpec(model_folder(model), flags, served_name=name or Path(model).name)
    with ServerHost(find_vllm(), warm=False, folder=folder) as host:
        print(f"starting `{spec.command()}` (half a minute or more) …", flush=True)
        with RunningServer.start(host, spec, log=folder / "server.log", port=port, deadline_s=1800) as server:
            print(
                f"ready after {server.ready_s:.0f} s: planner = {f'{server.base_url}#{server.name}'!r}",
                flush=True,
            )
            found = list(capabilities(server.base_url, server.name))
            for one in found:
                print(f"{'✓' if one.shown else '✗'} {one.name:<18} {one.detail}", flush=True)
            if check:
                raise typer.Exit(0 if all(one.shown for one in found) else 1)
            while server.exit_code() is None:
                time.sleep(1)
            print(f"the server ended: {server.failure()}")
            raise typer.Exit(1)
