"""``tune-vllm --estimate``: what configurations would do, without a GPU and without starting anything, in words.

Every answer says that it is an estimate, where it comes from, and what is unsure about it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...evaluators.engines.estimates import UNSURE
from ...evaluators.engines.sizing import fleet_lines
from ...evaluators.problems.problem import Constraint
from ...evaluators.servers.metrics import limit_words, resolve_limits
from ...evaluators.traffic.workload import Workload
from ...evaluators.vllm.estimate import Ranked, VllmEstimator, capacities, ranked, steady_load, words_of
from ...serving.errors import InvalidInput
from .options import Options

SHOWN = 8


def estimator_of(
    options: Options, model: str, held: Mapping[str, Any]
) -> VllmEstimator:  # Any: a flag's value
    """Return the estimator that the options ask for; raises InvalidInput. ``held``: flags of all configurations."""
    plan = options.plan()
    if plan.searches_load:
        raise InvalidInput(
            f"An estimate is of one load, got `--objective {plan.objective.name}`; give a workload with concurrency=N."
        )
    load = steady_load(Workload.parse(options.workload))
    return VllmEstimator(model, options.system or "", load, held, options.price_per_hour)


def estimated(options: Options, say: Callable[[str], None]) -> None:
    """Say which configurations look best within the limits, and what to make of it. Raises InvalidInput."""
    plan, wanted = options.plan(), options.wanted_flags()
    relative = plan.relative
    if relative:
        raise InvalidInput(
            f"`--estimate` measures no default to compare with, got a limit relative to it on {relative[0]!r}; give a number."
        )
    estimator = estimator_of(options, options.model, wanted[0])
    limits = resolve_limits(plan.limits, {}, plan.margin)
    ranking = ranked(estimator, plan.objective, limits, wanted[1], options.devices, unused=say)
    load = estimator.load
    say(
        f"An estimate; nothing was run. {options.model} on up to {options.devices} × {options.system}, "
        f"{load.input_tokens} tokens in and {load.output_tokens} out, {load.concurrency} at once; "
        f"limits: {limit_words(limits)}. From {estimator.source}."
    )
    for line in _table(ranking, plan.objective.name, limits):
        say(line)
    if options.serve_rate is not None:
        sized = capacities(estimator, limits, wanted[1], options.devices)
        for line in fleet_lines(sized, options.serve_rate, options.price_per_hour, estimated=True):
            say(line)
    say(
        "Unsure: TTFT by about {:.0%} and more at many requests at once, TPOT and throughput by about {:.0%}; percentiles are "
        "taken to be means; flags other than layout and batch limits are not in it. Measure before you rely on it: the same "
        "command without `--estimate` on the machine begins with these and corrects them.".format(
            UNSURE["ttft_ms"], UNSURE["tpot_ms"]
        )
    )


def _table(found: Sequence[Ranked], objective: str, limits: Sequence[Constraint]) -> list[str]:
    if not found:
        return ["No configuration is estimated to meet the limits, or none fits."]
    names = list(
        dict.fromkeys([objective, "ttft_mean_ms", "tpot_mean_ms", "devices", *(c.name for c in limits)])
    )
    shown = [n for n in names if n in found[0].metrics]
    lines = ["  ".join(f"{n:>14}" for n in shown) + "  flags"]
    for one in found[:SHOWN]:
        lines.append("  ".join(f"{one.metrics[n]:>14.4g}" for n in shown) + f"  {words_of(one.changes)}")
    return lines
