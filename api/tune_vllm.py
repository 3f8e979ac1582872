"""``trialogue tune-vllm``: the fastest configuration of a vLLM server for one's traffic, within limits, shown to be so.

Turns options into a plan, prints progress, and hands the result over. Knows the terminal; not how tuning works.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from ..serving.errors import InvalidInput

_UNITS = {"s": 1, "m": 60, "h": 3600}


def tune_vllm(
    model: Annotated[
        str, typer.Argument(help="Folder or name of the model; `tiny` and `m25` are made on the spot.")
    ],
    workload: Annotated[
        str,
        typer.Option(
            help="chat, prefix, random:input=256,output=64,concurrency=32, a mixture, or a .jsonl file."
        ),
    ] = "chat",
    objective: Annotated[
        str, typer.Option(help="What to improve, such as output_tok_s or ttft_p99_ms.")
    ] = "output_tok_s",
    slo: Annotated[
        list[str] | None,
        typer.Option(
            help="Limit such as 'ttft_p99_ms<=200', or 'tpot_p99_ms<=0.75x' of the default's; may be given several times."
        ),
    ] = None,
    budget: Annotated[
        str, typer.Option(help="Time for everything, the verification too: 90s, 30m, 2h.")
    ] = "30m",
    trials: Annotated[
        int | None, typer.Option(min=1, help="At most so many configurations beside the default.")
    ] = None,
    knob: Annotated[
        list[str] | None,
        typer.Option(
            help="Tune just this; `NAME` or `NAME=8,16,32`, several times. Default: the core for the device."
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
) -> None:
    """Tune the serving parameters of vLLM for a workload, and show that the result is better than the default.

    Such as: trialogue tune-vllm MODEL --slo 'ttft_p99_ms<=200' --budget 30m. Leaves serve.sh, serve.yaml, reports and every
    measurement in its folder; recommends no change where the gain is inside the noise.
    """
    from ..agent.tuning import Tuning
    from ..agent.tuning_plan import TuningPlan
    from ..evaluators.vllm_attempt import Rungs
    from ..evaluators.vllm_metrics import objective_named, parse_limit
    from .tune_vllm_setup import Wanted, earlier_best, prepared
    from .tuning_handover import hand_over

    if verify not in ("ordinary", "fork"):
        raise InvalidInput(f"`--verify` must be ordinary or fork, got {verify!r}.")
    if objective == "output_tok_per_money" and price_per_hour is None:
        raise InvalidInput("`--objective output_tok_per_money` needs `--price-per-hour`, got none.")
    kept = folder or Path("runs") / f"vllm-{Path(model).name}"
    wanted = Wanted(
        model,
        workload,
        kept,
        _rungs(rungs, Rungs),
        flag_values(fix or []),
        {name: str(value) for name, value in flag_values(env or [], dashes=True).items()},
        _knobs(knob or []),
        lossy,
    )
    plan = TuningPlan(
        model=model, objective=objective_named(objective), limits=tuple(parse_limit(s) for s in slo or ()),
        budget_s=seconds_of(budget), trials=trials, seed=seed, planner=planner, pairs=pairs,
        verify_rung="fork" if verify == "fork" else "ordinary", price_per_hour=price_per_hour,
    )  # fmt: skip
    with prepared(wanted, plan, say=print) as (target, space, context):
        known, changed = earlier_best(earlier, context) if earlier else ((), "")
        if changed:
            context["changed since the earlier tuning"] = changed
            print(f"since the earlier tuning changed: {changed}")
        print(f"space: {len(space)} knobs ({', '.join(space.names)}), {space.size or 'many'} configurations")
        try:
            outcome = Tuning(plan, target, space, say=print, context=context, earlier=known).run()
        except KeyboardInterrupt:
            print(f"\nstopped; `trialogue tune-vllm` with --folder {str(wanted.folder)!r} goes on from here")
            raise
        print(hand_over(outcome, target, wanted.folder))


def seconds_of(text: str) -> float:
    """Return ``90s``, ``30m``, ``2h`` or plain seconds as seconds."""
    number, unit = (text[:-1], text[-1]) if text[-1:] in _UNITS else (text, "s")
    try:
        value = float(number) * _UNITS[unit]
    except ValueError:
        value = 0.0
    if not value > 0:
        raise InvalidInput(f"`--budget` must be a time such as 90s, 30m or 2h, got {text!r}.")
    return value


def _rungs(text: str, kind: Any) -> Any:  # Any: evaluators.vllm_attempt.Rungs, imported on use
    from ..serving.vllm_environment import find_vllm

    known = ("preflight", "live", "fork", "eager", "beside")
    usual = ["preflight", "fork", *(["beside"] if text == "auto" and find_vllm().cpu else [])]
    names = usual if text == "auto" else [n for n in text.split(",") if n and n != "none"]
    unknown = set(names) - set(known)
    if unknown:
        raise InvalidInput(
            f"`--rungs` must be auto, none, or name some of {', '.join(known)}, got {sorted(unknown)[0]!r}."
        )
    return kind(**{n: n in names for n in known})


def _knobs(items: Sequence[str]) -> dict[str, list[Any]]:  # Any: JSON values
    return {
        n: [_value(v) for v in values.split(",")] if values else []
        for n, _, values in (i.partition("=") for i in items)
    }


def flag_values(items: Sequence[str], *, dashes: bool = False) -> dict[str, Any]:  # Any: JSON values
    """Return NAME=VALUE items as a mapping; values that are JSON become what they say."""
    wrong = [i for i in items if "=" not in i]
    if wrong:
        raise InvalidInput(f"`--fix` and `--env` take NAME=VALUE, got {wrong[0]!r}.")
    return {
        name if dashes else name.replace("-", "_"): _value(value)
        for name, _, value in (i.partition("=") for i in items)
    }


def _value(text: str) -> Any:  # Any: JSON value
    try:
        return json.loads(text)
    except ValueError:
        return {"True": True, "False": False, "None": None}.get(text, text)
