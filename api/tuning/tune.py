"""``trialogue tune-vllm``, ``tune-llama``, ``tune-sglang``: a server's fastest configuration in limits, shown to be so.

Takes the options, prints progress, and hands the result over. Knows the terminal; not how tuning works.
"""

from contextlib import AbstractContextManager
from typing import Any

from . import arguments as given
from .options import Options, kept_in

Prepared = AbstractContextManager[tuple[Any, Any, dict[str, Any]]]
"""Target, space and context of an engine. Any: they are imported when they are needed; plain JSON."""


def tune_vllm(
    model: given.VllmModel,
    workload: given.Workload = "chat",
    objective: given.Objectives = None,
    slo: given.Slo = None,
    margin: given.Margin = 0.0,
    budget: given.Budget = "30m",
    trials: given.Trials = None,
    knob: given.Knobs = None,
    fix: given.Fix = None,
    env: given.Env = None,
    lossy: given.Lossy = False,
    folder: given.Folder = None,
    planner: given.Planner = None,
    seed: given.Seed = 0,
    rungs: given.VllmRungs = "auto",
    start_timeout: given.StartTimeout = None,
    verify: given.Verify = "ordinary",
    pairs: given.PairsOption = 3,
    earlier: given.Earlier = None,
    price_per_hour: given.Price = None,
    serve_rate: given.ServeRate = None,
    estimate: given.Estimate = False,
    system: given.System = None,
    devices: given.Devices = 1,
) -> None:
    """Tune the serving parameters of vLLM for a workload, and show that the result is better than the default.

    Such as: trialogue tune-vllm MODEL --slo 'ttft_p99_ms<=200' --budget 30m. Leaves serve.sh, serve.yaml, reports and every
    measurement in its folder; recommends no change where the gain is inside the noise.
    """
    options = Options("vLLM", **locals())
    if estimate:
        from .estimate import estimated

        return estimated(options, print)
    from ...evaluators.vllm.setup import prepared

    plan = options.plan()
    _tune(options, plan, prepared(options.wanted(), plan.objective, plan.limits, say=print))


def tune_llama(
    model: given.LlamaModel,
    workload: given.Workload = "chat:concurrency=4",
    objective: given.Objectives = None,
    slo: given.Slo = None,
    margin: given.Margin = 0.0,
    budget: given.Budget = "30m",
    trials: given.Trials = None,
    knob: given.Knobs = None,
    fix: given.Fix = None,
    env: given.Env = None,
    lossy: given.Lossy = False,
    draft_model: given.DraftModel = None,
    folder: given.Folder = None,
    planner: given.Planner = None,
    seed: given.Seed = 0,
    rungs: given.LlamaRungs = "auto",
    start_timeout: given.StartTimeout = None,
    pairs: given.PairsOption = 3,
    earlier: given.Earlier = None,
    price_per_hour: given.Price = None,
    serve_rate: given.ServeRate = None,
) -> None:
    """Tune the serving parameters of llama.cpp's server for a workload, and show that the result is better than the default.

    Such as: trialogue tune-llama smollm2 --slo 'ttft_p95_ms<=2000' --budget 15m. Leaves serve.sh, reports and every
    measurement in its folder; recommends no change where the gain is inside the noise.
    """
    options = Options("llama.cpp", **locals())
    from ...evaluators.engines.llama_cpp import prepared

    plan, wanted = options.plan(), options.wanted()
    setup = prepared(wanted, plan.objective, plan.limits, say=print, draft_model=options.draft_model)
    _tune(options, plan, setup)


def tune_sglang(
    model: given.SglangModel,
    workload: given.Workload = "chat",
    objective: given.Objectives = None,
    slo: given.Slo = None,
    margin: given.Margin = 0.0,
    budget: given.Budget = "30m",
    trials: given.Trials = None,
    knob: given.Knobs = None,
    fix: given.Fix = None,
    env: given.Env = None,
    lossy: given.Lossy = False,
    folder: given.Folder = None,
    planner: given.Planner = None,
    seed: given.Seed = 0,
    start_timeout: given.StartTimeout = None,
    pairs: given.PairsOption = 3,
    earlier: given.Earlier = None,
    price_per_hour: given.Price = None,
    serve_rate: given.ServeRate = None,
) -> None:
    """Tune the serving parameters of SGLang for a workload: written from its documents, never yet run on a real SGLang.

    Such as: trialogue tune-sglang FOLDER --slo 'ttft_p99_ms<=200' --budget 30m. Everything else is as with tune-vllm; tell
    us what breaks.
    """
    options = Options("SGLang", **locals())
    from ...evaluators.engines.sglang import prepared

    plan = options.plan()
    _tune(options, plan, prepared(options.wanted(), plan.objective, plan.limits, say=print))


def _tune(options: Options, plan: Any, made: Prepared) -> None:  # Any: a TuningPlan, as above
    from ...agent.tuning.findings import earlier_best
    from ...agent.tuning.tuner import Tuning
    from .handover import hand_over

    with kept_in(options.own_folder), made as (target, space, context):
        earlier = options.earlier
        best, changed = earlier_best(earlier, context, options.engine) if earlier else ((), "")
        if changed:
            context["changed since the earlier tuning"] = changed
            print(f"since the earlier tuning changed: {changed}")
        print(f"space: {len(space)} knobs ({', '.join(space.names)}), {space.size or 'many'} configurations")
        try:
            expected = _expected(options, target.settings) if options.system else None
            tuning = Tuning(plan, target, space, say=print, context=context, earlier=best, expected=expected)
            with watched(tuning):
                outcome = tuning.run()
        except KeyboardInterrupt:
            print(
                f"\nstopped; the same command with --folder {str(target.settings.folder)!r} goes on from here"
            )
            raise
        print(hand_over(outcome, target, target.settings.folder, rate_s=options.serve_rate))


def _expected(options: Options, settings: Any) -> Any:  # Any: TargetSettings, VllmEstimator, imported on use
    """Return the estimates with which the search begins, and say where they come from."""
    from .estimate import estimator_of

    estimator = estimator_of(options, settings.model, {**settings.defaults, **settings.fixed})
    print(f"the search begins with estimates from {estimator.source}, and corrects them")
    return estimator


def watched(tuning: Any) -> Any:  # Any: a Tuning and a LiveStudy, which are imported when they are needed
    """Return a block in which a terminal shows, below what the tuning says, its best so far and the time left."""
    from ..reports.view import view_of
    from ..terminal.live import LiveStudy
    from ..terminal.screen import Ends

    def read() -> Any:
        study = tuning.study
        return study and view_of(study.name, study.problem, study.trials)

    return LiveStudy(read, Ends(seconds=tuning.clock.left_s), history=False)
