"""The options of the commands that tune servers, each declared once: type, help, rule.

A command lists them as its parameters and gives the defaults. Knows the terminal only.
"""

from pathlib import Path
from typing import Annotated

import typer

VllmModel = Annotated[
    str, typer.Argument(help="Folder or name of the model; `tiny` and `m25` are made on the spot.")
]
LlamaModel = Annotated[
    str, typer.Argument(help="GGUF file, or name of an installed model that came as one: smollm2.")
]
SglangModel = Annotated[str, typer.Argument(help="Folder of the model, with its config.json.")]
DraftModel = Annotated[
    str | None, typer.Option(help="Small model, as MODEL, whose guesses the large one may check.")
]
VllmRungs = Annotated[
    str,
    typer.Option(
        help="Shortcuts while searching, with commas between: preflight (ask vLLM's validator first), fork (start from a warm "
        "process), eager (do not compile), live (lower limits in the running server), beside (load a default server in "
        "turns), or none. auto: preflight, fork, and on CPUs beside."
    ),
]
LlamaRungs = Annotated[
    str, typer.Option(help="beside (load a default server in turns; memory of two) or none. auto: beside.")
]
Verify = Annotated[
    str, typer.Option(help="How the verification starts servers: ordinary (like a shell) or fork.")
]
Workload = Annotated[
    str,
    typer.Option(
        help="chat, prefix, random:input=256,output=64,concurrency=32, a mixture, or a .jsonl, .json or .csv file, such as "
        "trace.csv@recorded=true,speed=2."
    ),
]
Objectives = Annotated[
    list[str] | None,
    typer.Option(
        help="What to improve, such as ttft_p99_ms; several times: the first decides, others are shown as trade-offs. "
        "Default: output_tok_s."
    ),
]
Slo = Annotated[
    list[str] | None,
    typer.Option(
        help="Limit such as 'ttft_p99_ms<=200', or 'tpot_p99_ms<=0.75x' of the default's; may be given several times."
    ),
]
Margin = Annotated[
    float, typer.Option(min=0.0, max=0.5, help="Share by which the search keeps away from the limits.")
]
Budget = Annotated[str, typer.Option(help="Time for everything, the verification too: 90s, 30m, 2h.")]
Trials = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="At most so many configurations beside the default; taking changes of the best one back comes on top.",
    ),
]
Knobs = Annotated[
    list[str] | None,
    typer.Option(
        help="Tune just this; `NAME` or `NAME=8,16,32`, several times: any flag of the installed server, or environment "
        "variable. Default: the core for the device."
    ),
]
Fix = Annotated[
    list[str] | None, typer.Option(help="Flag for every configuration, the default too: NAME=VALUE.")
]
Env = Annotated[
    list[str] | None, typer.Option(help="Environment variable for every configuration: NAME=VALUE.")
]
Lossy = Annotated[bool, typer.Option(help="Also tune what may change answers; guarded by comparing them.")]
Folder = Annotated[
    Path | None,
    typer.Option(
        help="Where everything is kept; the same again goes on from there. Default: runs/ENGINE-MODEL."
    ),
]
Planner = Annotated[
    str | None, typer.Option(help="Language model that proposes, as for a study. Default: none.")
]
Seed = Annotated[int, typer.Option(help="Of the search.")]
StartTimeout = Annotated[
    str | None, typer.Option(help="Time that a server may take to start: 90s, 20m. Default: 240s.")
]
PairsOption = Annotated[
    int,
    typer.Option(
        min=1, help="Pairs of default and candidate that verify it; more where noise asks for them."
    ),
]
Earlier = Annotated[
    Path | None,
    typer.Option(help="Folder of an earlier tuning (other hardware, model or version) to start from."),
]
Price = Annotated[float | None, typer.Option(help="Money per hour and device.")]
ServeRate = Annotated[
    float | None,
    typer.Option(help="Requests per second to serve: the hand-over counts the fewest devices for them."),
]
Estimate = Annotated[
    bool, typer.Option(help="Start nothing, need no GPU: say what configurations are estimated to do.")
]
System = Annotated[
    str | None,
    typer.Option(
        help="Kind of device, such as h100_sxm, for estimates: with --estimate, or to begin the search with."
    ),
]
Devices = Annotated[int, typer.Option(min=1, help="Devices that --estimate may use.")]
