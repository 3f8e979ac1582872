"""What a tuning leaves behind: one sentence, tables, files that a poorer result does not overwrite. No server."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from trialogue.agent.study.study import Study
from trialogue.agent.tuning.plan import TuningOutcome
from trialogue.agent.tuning.verdict import Gain, TuningVerdict, decide
from trialogue.api.tuning.handover import hand_over, headline, regime_lines, summary
from trialogue.evaluators.problems.measurement import Measurement
from trialogue.evaluators.problems.problem import Constraint, Problem
from trialogue.evaluators.servers.metrics import objective_named
from trialogue.evaluators.servers.target import ServerTarget, TargetSettings
from trialogue.evaluators.spaces.parameters import Categorical
from trialogue.evaluators.spaces.space import SearchSpace
from trialogue.evaluators.traffic.workload import Workload
from trialogue.serving.vllm.environment import VllmEnvironment

TOKENS, GOODPUT, TTFT = map(objective_named, ("output_tok_s", "goodput_req_s", "ttft_p99_ms"))
SPACE = SearchSpace([Categorical("block_size", [32, 64, 128], default=128, ordered=True)])
CHANGE = TuningVerdict("change", "output_tok_s improves by a lot", Gain(1.5, 1.4, 1.6, 3))


def outcome_of(
    folder: Path,
    verdict: TuningVerdict,
    pairs: int = 3,
    *,
    default: float = 100.0,
    limits: tuple[Constraint, ...] = (),
) -> tuple[TuningOutcome, ServerTarget]:
    """A study of two objectives with a front of two trials, and as many pairs as asked for."""
    study = Study(Problem("vllm", SPACE, [TOKENS, TTFT], limits), storage=f"sqlite:///{folder}/study.db")
    if not study.trials:
        for block, speed, ttft in ((128, default, 20.0), (64, 80.0, 60.0), (32, 150.0, 30.0)):
            metrics = {"output_tok_s": speed, "ttft_p99_ms": ttft, "goodput_req_s": 0.0}
            study.add({"block_size": block}, Measurement([speed, ttft], metrics=metrics))
    target = ServerTarget(
        VllmEnvironment(Path("python"), "0.32.0", True),
        TargetSettings("model", Workload.parse("chat"), folder, defaults=SPACE.default()),
    )
    best = next(t for t in study.trials if t.params["block_size"] == 32)
    sides = [
        tuple({"output_tok_s": v + i, "goodput_req_s": g} for i in range(pairs))
        for v, g in ((default, 0.0), (150.0, 3.0))
    ]
    command, usual = (target.spec(p).command() for p in (best.params, {}))
    return TuningOutcome(verdict, study, limits, best, command, usual, sides[0], sides[1], 0.02, 60.0), target


def test_a_result_of_fewer_pairs_does_not_overwrite_a_verified_change(tmp_path: Path) -> None:
    text = hand_over(*outcome_of(tmp_path, CHANGE), tmp_path)
    assert "still hold" not in text
    better = {
        n: (tmp_path / n).read_text() for n in ("serve.sh", "serve.yaml", "handover.json", "handover.html")
    }
    text = hand_over(*outcome_of(tmp_path, TuningVerdict("no change", "within the noise"), 1), tmp_path)
    assert "An earlier run verified a change by 3 pairs, more than now (1)" in text
    assert better == {n: (tmp_path / n).read_text() for n in better}


@pytest.mark.parametrize("pairs", [3, 4])
def test_a_result_of_as_many_pairs_does(pairs: int, tmp_path: Path) -> None:
    hand_over(*outcome_of(tmp_path, CHANGE), tmp_path)
    hand_over(*outcome_of(tmp_path, TuningVerdict("no change", "within the noise"), pairs), tmp_path)
    assert json.loads((tmp_path / "handover.json").read_text())["recommendation"] == "no change"
    assert "--block-size" not in (tmp_path / "serve.sh").read_text()


@pytest.mark.parametrize("text", ["{torn", "[]", '{"recommendation": "change"}'])
def test_a_hand_over_that_cannot_be_read_is_overwritten(text: str, tmp_path: Path) -> None:
    (tmp_path / "handover.json").write_text(text)
    hand_over(*outcome_of(tmp_path, TuningVerdict("no change", "within the noise"), 1), tmp_path)
    assert json.loads((tmp_path / "handover.json").read_text())["recommendation"] == "no change"


def test_the_hand_over_says_how_sure_a_percentile_is(tmp_path: Path) -> None:
    outcome, target = outcome_of(tmp_path, CHANGE, limits=())
    runs = tuple(
        {**r, "ttft_p99_ms": 30.0, "ttft_p99_low_ms": 25.0, "requests": 64.0} for r in outcome.best_runs
    )
    told = (
        "ttft_p99_ms 30 (25 to ∞ of 64 requests, about the slowest of them; 299 requests have an upper bound)"
    )
    assert told in hand_over(replace(outcome, best_runs=runs), target, tmp_path)
    assert json.loads((tmp_path / "handover.json").read_text())["percentiles"] == [told]


def test_the_fewest_devices_for_a_rate_are_counted_from_what_was_measured(tmp_path: Path) -> None:
    outcome, target = outcome_of(tmp_path, CHANGE)
    assert "no measured configuration" in hand_over(outcome, target, tmp_path, rate_s=40.0)
    for block, rate, devices in ((64, 10.0, 1.0), (32, 30.0, 2.0)):
        metrics = {"requests_s": rate, "devices": devices}
        outcome.study.add({"block_size": block}, Measurement([50.0, 50.0], metrics=metrics))
    told = hand_over(outcome, target, tmp_path, rate_s=40.0)
    assert "4 devices: 2 × block_size=32 (30 requests/s each)" in told
    assert "5 devices: 5 × block_size=64 (10 requests/s each)" in told
    assert "For 40 requests/s" not in hand_over(outcome, target, tmp_path)


def test_the_headline_says_the_gain_once(tmp_path: Path) -> None:
    runs = [
        [{"output_tok_s": v + i, "tpot_p99_ms": t} for i in range(3)]
        for v, t in ((100.0, 15.0), (150.0, 5.0))
    ]
    for limits in ((), (Constraint("tpot_p99_ms", upper=10.0),)):
        verdict = decide(TOKENS, limits, *runs)
        said = headline(outcome_of(tmp_path, verdict)[0])
        assert said.count("×1.50") == 1
        assert said.startswith("Change recommended: ")


def test_nothing_tried_is_not_called_infeasible(tmp_path: Path) -> None:
    outcome, _ = outcome_of(tmp_path, TuningVerdict("nothing tried", "needs at least 240 s"), 0)
    assert headline(outcome) == "Nothing was tried: needs at least 240 s."


def test_lower_limits_objectives_and_the_front_are_shown(tmp_path: Path) -> None:
    limits = (Constraint("goodput_req_s", lower=2.0),)
    outcome, target = outcome_of(tmp_path, CHANGE, limits=limits)
    text = hand_over(outcome, target, tmp_path)
    page = (tmp_path / "handover.html").read_text()
    assert "goodput_req_s ≥ 2" in page
    assert "Limits: none" not in page
    assert text.index("goodput_req_s") > text.index("verified means")


def test_trials_that_nothing_beats_in_every_objective_are_listed(tmp_path: Path) -> None:
    outcome, target = outcome_of(tmp_path, CHANGE)
    text = hand_over(outcome, target, tmp_path)
    page = (tmp_path / "handover.html").read_text()
    for told in (text, page):
        assert "trial 0: output_tok_s 100, ttft_p99_ms 20 · default" in told
        assert "trial 2: output_tok_s 150, ttft_p99_ms 30 · block_size=32" in told
        assert "trial 1:" not in told
    assert summary(outcome)["front"] == [0, 2]
    assert "output_tok_s against ttft_p99_ms" in page


def test_a_default_that_reached_nothing_is_handed_over_in_words_and_valid_json(tmp_path: Path) -> None:
    runs = [[{"goodput_req_s": v}] * 3 for v in (0.0, 3.0)]
    outcome, target = outcome_of(tmp_path, decide(GOODPUT, (), *runs), default=0.0)
    text = hand_over(outcome, target, tmp_path)
    assert "Change recommended: goodput_req_s: the default reached 0, the candidate 3 (3 pairs)" in text

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    told = json.loads((tmp_path / "handover.json").read_text(), parse_constant=refuse)
    assert told["gain"]["ratio"] is None
    assert told["gain"]["words"] == "the default reached 0, the candidate 3 (3 pairs)"


LEVELS = (100.0, 150.0, 101.0, 99.0, 149.0, 151.0)


@pytest.mark.parametrize(
    ("default", "best", "told"),
    [
        (
            LEVELS,
            (200.0, 201.0, 199.0, 202.0, 200.5, 198.0),
            "default: 100 (pairs 1, 3, 4) and 150 (pairs 2, 5, 6)",
        ),
        (LEVELS, tuple(2.1 * x for x in LEVELS), "the machine changed, not the servers"),
        ((100.0, 101.0, 99.0, 102.0, 100.5, 98.0), (200.0, 201.0, 199.0, 202.0, 200.5, 198.0), ""),
    ],
)
def test_servers_that_fall_into_levels_are_said(
    default: tuple[float, ...], best: tuple[float, ...], told: str, tmp_path: Path
) -> None:
    outcome, _ = outcome_of(tmp_path, CHANGE, len(default))
    sides = [tuple({"output_tok_s": v} for v in side) for side in (default, best)]
    lines = regime_lines(replace(outcome, default_runs=sides[0], best_runs=sides[1]))
    assert bool(lines) == bool(told)
    assert told in " ".join(lines)


def test_knobs_that_nothing_was_learnt_of_are_one_line_not_a_table_of_ones(tmp_path: Path) -> None:
    space = SearchSpace([
        Categorical("block_size", [32, 128], default=128), Categorical("idle", [1, 2], default=1),
    ])  # fmt: skip
    study = Study(Problem("vllm", space, [TOKENS]), storage=f"sqlite:///{tmp_path}/study.db")
    for speed in (100.0, 100.0):
        study.add({"block_size": 128, "idle": 1}, Measurement([speed], metrics={"output_tok_s": speed}))
    study.add({"block_size": 32, "idle": 2}, Measurement([100.0], metrics={"output_tok_s": 100.0}))
    (tmp_path / "other").mkdir()
    outcome, target = outcome_of(tmp_path / "other", CHANGE)
    best = study.trials[-1]
    told = hand_over(replace(outcome, study=study, best=best), target, tmp_path)
    assert told.count("no effect seen or believed: ") == 2
    assert "×1.00" not in told
