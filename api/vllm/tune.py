"""``trialogue tune-vllm``: the fastest configuration of a vLLM server for one's traffic, within limits, shown to be so.

Declares the options, prints progress, and hands the result over. Knows the terminal; not how tuning works.
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from .options import Options


def tune_vllm(
    model: Annotated[
        str, typer.Argument(help="Folder or name of the model; `tiny` and `m25` are made on the spot.")
    ],
    workload: Annotated[
        str,
        typer.Option(
            help="chat, prefix, random:input=256,output=64,concurrency=32, a mixture, or a .jsonl, .json or .csv file, such as "
            "trace.csv@recorded=true,speed=2."
        ),
    ] = "chat",
    objective: Annotated[
        list[str] | None,
        typer.Option(
            help="What to improve, such as ttft_p99_ms; several times: the first decides, others are shown as "
            "trade-offs. Default: output_tok_s."
        ),
    ] = None,
    slo: Annotated[
        list[str] | None,
        typer.Option(
            help="Limit such as 'ttft_p99_ms<=200', or 'tpot_p99_ms<=0.75x' of the default's; may be given several times."
        ),
    ] = None,
    margin: Annotated[
        float,
        typer.Option(min=0.0, max=0.5, help="Share by which the search keeps away from the limits."),
    ] = 0.0,
    budget: Annotated[
        str, typer.Option(help="Time for everything, the verification too: 90s, 30m, 2h.")
    ] = "30m",
    trials: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="At most so many configurations beside the default; taking changes of the best one back comes on top.",
        ),
    ] = None,
    knob: Annotated[
        list[str] | None,
        typer.Option(
            help="Tune just this; `NAME` or `NAME=8,16,32`, several times: any flag of the installed vLLM, or environment "
            "variable. Default: the core for the device."
        ),
    ] = None,
    fix: Annotated[
        list[str] | None, typer.Option(help="Flag for every configuration, the default too: NAME=VALUE.")
    ] = None,
    env: Annotated[
        list[str] | None, typer.Option(help="Environment variable for every configuration: NAME=VALUE.")
    ] = None,
    lossy: Annotated[
        bool, typer.Option(help="Also tune what may change answers; guarded by comparing them.")
    ] = False,
    folder: Annotated[
        Path | None,
        typer.Option(
            help="Where everything is kept; the same again goes on from there. Default: runs/vllm-MODEL."
        ),
    ] = None,
    planner: Annotated[
        str | None, typer.Option(help="Language model that proposes, as for a study. Default: none.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the search.")] = 0,
    rungs: Annotated[
        str,
        typer.Option(
            help="Shortcuts while searching, with commas between: preflight (ask vLLM's validator first), fork (start "
            "from a warm process), eager (do not compile), live (lower limits in the running server), beside (load a "
            "default server in turns), or none. auto: preflight, fork, and on CPUs beside."
        ),
    ] = "auto",
    start_timeout: Annotated[
        str | None, typer.Option(help="Time that a server may take to start: 90s, 20m. Default: 240s.")
    ] = None,
    verify: Annotated[
        str, typer.Option(help="How the verification starts servers: ordinary (like a shell) or fork.")
    ] = "ordinary",
    pairs: Annotated[
        int,
        typer.Option(
            min=1, help="Pairs of default and candidate that verify it; more where noise asks for them."
        ),
    ] = 3,
    earlier: Annotated[
        Path | None,
        typer.Option(help="Folder of an earlier tuning (other hardware, model or version) to start from."),
    ] = None,
    price_per_hour: Annotated[float | None, typer.Option(help="Money per hour and device.")] = None,
    serve_rate: Annotated[
        float | None,
        typer.Option(help="Requests per second to serve: the hand-over counts the fewest devices for them."),
    ] = None,
) -> None:
    """Tune the serving parameters of vLLM for a workload, and show that the result is better than the default.

    Such as: trialogue tune-vllm MODEL --slo 'ttft_p99_ms<=200' --budget 30m. Leaves serve.sh, serve.yaml, reports and every
    measurement in its folder; recommends no change where the gain is inside the noise.
    """
    _tune(Options(**locals()))


def _tune(options: Options) -> None:
    from ...agent.tuning.findings import earlier_best
    from ...agent.tuning.tuner import Tuning
    from ...evaluators.vllm.setup import prepared
    from .handover import hand_over

    plan, wanted = options.plan(), options.wanted()
    with prepared(wanted, plan.objective, plan.limits, say=print) as (target, space, context):
        known, changed = earlier_best(options.earlier, context) if options.earlier else ((), "")
        if changed:
            context["changed since the earlier tuning"] = changed
            print(f"since the earlier tuning changed: {changed}")
        print(f"space: {len(space)} knobs ({', '.join(space.names)}), {space.size or 'many'} configurations")
        try:
            tuning = Tuning(plan, target, space, say=print, context=context, earlier=known)
            with watched(tuning):
                outcome = tuning.run()
        except KeyboardInterrupt:
            print(f"\nstopped; `trialogue tune-vllm` with --folder {str(wanted.folder)!r} goes on from here")
            raise
        print(hand_over(outcome, target, wanted.folder, rate_s=options.serve_rate))


def watched(tuning: Any) -> Any:  # Any: a Tuning and a LiveStudy, which are imported when they are needed
    """Return a block in which a terminal shows, below what the tuning says, its best so far and the time left."""
    from ..reports.view import view_of
    from ..terminal.live import LiveStudy
    from ..terminal.screen import Ends

    def read() -> Any:
        study = tuning.study
        return study and view_of(study.name, study.problem, study.trials)

    return LiveStudy(read, Ends(seconds=tuning.clock.left_s), history=False)
