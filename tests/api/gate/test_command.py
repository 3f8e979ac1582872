"""``trialogue gate``: files as each tool writes them, the answer, and its exit code."""

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from contracts.hostile import HOSTILE, places, with_mark

import trialogue as tl
from trialogue.api.cli.app import main
from trialogue.api.gate.judgement import GateRules, judge
from trialogue.api.gate.results import MeasuredRun, read_runs
from trialogue.serving.errors import InvalidInput

Write = Callable[..., Path]


def latencies(n: int, factor: float, seed: int) -> np.ndarray:
    return factor * 0.2 * np.random.default_rng(seed).lognormal(0, 0.3, n)


def vllm(factor: float = 1.0, seed: int = 0, n: int = 400, *, detailed: bool = True, rate: float = 4) -> Any:
    ttfts = latencies(n, factor, seed)
    plain = {
        "date": "20261101-120000", "backend": "vllm", "model_id": "m", "num_prompts": n, "request_rate": rate,
        "burstiness": 1.0, "max_concurrency": None, "duration": 100.0, "completed": n, "total_input_tokens": 9,
        "request_throughput": n / 100 / factor, "output_throughput": 500.0 / factor, "total_token_throughput": 900.0,
        "mean_ttft_ms": 1e3 * float(ttfts.mean()), "median_ttft_ms": 1e3 * float(np.median(ttfts)),
        "p99_ttft_ms": 1e3 * float(np.quantile(ttfts, 0.99)),
    }  # fmt: skip
    if detailed:
        plain |= {"ttfts": list(ttfts), "itls": [[0.01 * factor, 0.012 * factor]] * n, "errors": [""] * n}
    return plain


def guidellm(factor: float = 1.0, seed: int = 0, n: int = 400) -> Any:
    def run(rate: float) -> Any:
        ttfts = 1e3 * latencies(n, factor, seed)
        rows = [
            {"time_to_first_token_ms": t, "request_latency": t / 500, "time_per_output_token_ms": 9 * factor}
            for t in ttfts
        ]
        told = {
            "mean": float(ttfts.mean()),
            "count": n,
            "percentiles": {"p50": float(np.median(ttfts)), "p99": 900.0},
        }
        return {
            "type_": "generative_benchmark",
            "config": {"strategy": {"type_": "constant", "rate": rate, "max_concurrency": None}},
            "metrics": {
                "request_totals": {"successful": n, "incomplete": 0, "errored": 0, "total": n},
                "requests_per_second": {"successful": {"mean": rate}},
                "output_tokens_per_second": {"successful": {"mean": 300.0}},
                "time_to_first_token_ms": {"successful": told, "errored": None},
                "request_latency": {"successful": {"mean": 0.5, "percentiles": {"p99": 0.9}}},
            },
            "requests": {"successful": rows, "incomplete": [], "errored": []},
        }

    return {"metadata": {"version": 1}, "args": {}, "benchmarks": [run(1.0), run(2.0)]}


def aiperf(factor: float = 1.0) -> Any:
    return {
        "request_throughput": {"unit": "requests/sec", "avg": 4.0 / factor},
        "output_token_throughput": {"unit": "tokens/sec", "avg": 400.0 / factor},
        "time_to_first_token": {
            "unit": "ms",
            "avg": 210.0 * factor,
            "p50": 200.0 * factor,
            "p99": 500.0 * factor,
        },
        "request_count": {"unit": "requests", "avg": 100.0},
        "error_request_count": {"unit": "requests", "avg": 2.0},
        "input_config": {"loadgen": {"concurrency": 8, "request_count": 100}},
    }


def aiperf_records(factor: float = 1.0, seed: int = 0, n: int = 400, failed: int = 0) -> str:
    lines: list[Any] = [
        {"metadata": {"session_num": i}, "error": None,
         "metrics": {"time_to_first_token": {"value": 1e9 * t, "unit": "ns"},
                     "request_latency": {"value": 1.5 * t, "unit": "sec"},
                     "inter_chunk_latency": {"value": [1.0, 2.0], "unit": "ms"}}}
        for i, t in enumerate(latencies(n, factor, seed))
    ]  # fmt: skip
    lines += [
        {"metadata": {}, "metrics": {"error_isl": {"value": 5, "unit": "tokens"}}, "error": {"code": 499}}
    ] * failed
    return "\n".join(json.dumps(line) for line in lines)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(name: str, content: Any) -> Path:
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return written


def gate(
    capsys: pytest.CaptureFixture[str], before: list[Path], after: list[Path], *more: str
) -> tuple[int, str]:
    sides = [w for p in before for w in ("--before", str(p))] + [
        w for p in after for w in ("--after", str(p))
    ]
    with pytest.raises(SystemExit) as end:
        main(["gate", *sides, *more])
    said = capsys.readouterr()
    return int(end.value.code or 0), said.out + said.err


def test_the_same_speed_passes_and_a_slower_one_fails(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    before, same = write("b.json", vllm()), write("a.json", vllm(seed=1))
    code, said = gate(
        capsys, [before], [same], "--metric", "ttft_p50_ms", "--metric", "tpot_p90_ms", "--tolerance", "0.1"
    )
    assert (code, said.splitlines()[-1].split(":")[0]) == (0, "PASS")
    code, said = gate(capsys, [before], [write("s.json", vllm(1.5, 1))])
    assert (code, "FAIL: surely worse: ttft_p50_ms" in said) == (1, True)
    assert "400 and 400 requests of one run each" in said


def test_numbers_of_single_runs_say_nothing(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    before, after = write("b.json", vllm(detailed=False)), write("a.json", vllm(1.5, detailed=False))
    code, said = gate(capsys, [before], [after])
    assert (code, "no metric has an interval" in said) == (3, True)
    code, said = gate(capsys, [before], [after], "--metric", "output_tok_s")
    assert (code, "how runs differ is unknown" in said) == (3, True)


def test_several_runs_are_judged_by_how_they_differ(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    noise = [1.0, 1.01, 0.99]
    before = [write(f"b{i}.json", vllm(f, detailed=False)) for i, f in enumerate(noise)]
    slower = [write(f"a{i}.json", vllm(1.2 * f, detailed=False)) for i, f in enumerate(noise)]
    code, said = gate(capsys, before, slower, "--metric", "output_tok_s", "--json")
    told = json.loads(said)
    assert (code, told["answer"], told["metrics"][0]["stands_on"]) == (1, "FAIL", "3 and 3 runs")
    assert told["metrics"][0]["worse_by"]["value"] == pytest.approx(1.2)
    assert gate(capsys, slower, before, "--metric", "output_tok_s")[0] == 0


def test_other_loads_are_not_compared(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = gate(capsys, [write("b.json", vllm())], [write("a.json", vllm(rate=8))])
    assert (code, "different loads" in said) == (3, True)


def test_a_p99_of_few_requests_is_inconclusive_and_says_why(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    before, after = write("b.json", vllm(n=71)), write("a.json", vllm(1.1, n=71))
    code, said = gate(capsys, [before], [after], "--metric", "ttft_p99_ms")
    assert (code, "p99 of 71 values is about the largest" in said) == (3, True)


def test_guidellm_is_judged_rate_by_rate(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    runs = read_runs(write("g.json", guidellm()))
    assert [run.load for run in runs] == ["type_ constant, rate 1.0", "type_ constant, rate 2.0"]
    assert len(runs[0].requests["ttft"]) == runs[0].completed == 400
    assert runs[0].numbers["e2e_p99_ms"] == 900.0
    code, said = gate(capsys, [write("b.json", guidellm())], [write("a.json", guidellm(1.5, 1))])
    assert (code, "ttft_p50_ms at type_ constant, rate 2.0" in said) == (1, True)


def test_aiperf_is_read_in_both_forms(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    (run,) = read_runs(write("profile_export_aiperf.json", aiperf()))
    assert (run.numbers["ttft_p99_ms"], run.completed, run.failed) == (500.0, 100, 2)
    assert run.load == "concurrency 8, request_count 100"
    before = write("b.jsonl", aiperf_records())
    (run,) = read_runs(before)
    assert 150 < np.median(run.requests["ttft"]) < 250  # from nanoseconds
    assert 200 < np.median(run.requests["e2e"]) < 400  # from seconds
    assert gate(capsys, [before], [write("a.jsonl", aiperf_records(1.5, 1))])[0] == 1
    code, said = gate(capsys, [before], [write("f.jsonl", aiperf_records(1.0, 1, failed=40))])
    assert (code, "surely worse: failed" in said) == (1, True)


def test_our_own_exports_are_read(write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url, rng = f"sqlite:///{tmp_path}/s.db", np.random.default_rng(0)
    for name, factor in (("old", 1.0), ("new", 1.3)):
        problem = tl.Problem(name, tl.SearchSpace([tl.Float("x", 0, 1)]), [tl.Objective("wall")])
        study = tl.Study(problem, storage=url)
        for _ in range(4):
            study.add(
                {"x": 0.5}, tl.Measurement(factor * rng.lognormal(0, 0.02), metrics={"io_ms": 5 * factor})
            )
        for form in ("csv", "jsonl"):
            with pytest.raises(SystemExit):
                main(
                    [
                        "export",
                        name,
                        "--storage",
                        url,
                        "-o",
                        str(tmp_path / f"{name}.{form}"),
                        "--format",
                        form,
                    ]
                )
    csv, lines = ([tmp_path / f"{name}.{form}" for name in ("old", "new")] for form in ("csv", "jsonl"))
    assert gate(capsys, [csv[0]], [csv[1]], "--minimize", "wall")[0] == 1
    assert gate(capsys, [lines[1]], [lines[0]], "--minimize", "value", "--metric", "io_ms")[0] == 0
    code, said = gate(capsys, [csv[0]], [csv[1]], "--metric", "wall")
    assert (code, "does not say which way is better" in said) == (2, True)


def test_a_handover_stands_for_what_it_recommends(write: Write) -> None:
    plain = {
        "recommendation": "change",
        "default_runs": [{"output_tok_s": 9.0}],
        "best_runs": [{"output_tok_s": 12.0}] * 2,
    }
    assert [r.numbers["output_tok_s"] for r in read_runs(write("handover.json", plain))] == [12.0, 12.0]
    plain["recommendation"] = "no change"
    assert [r.numbers["output_tok_s"] for r in read_runs(write("handover.json", plain))] == [9.0]


@pytest.mark.parametrize("content", ["", "no json", "{}", "[]", "[1]", "3", '{"a": 1}\n{"b": 2}', "{}\n{}"])
def test_what_no_tool_wrote_is_refused_in_words(
    content: str, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write("x.json", content)
    code, said = gate(capsys, [path], [path])
    assert (code, "x.json" in said) == (2, True)


def first_of_each(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: first_of_each(inner) for key, inner in value.items()}
    return [first_of_each(inner) for inner in value[:2]] if isinstance(value, list) else value


@pytest.mark.parametrize(
    "tool", [vllm(n=2), guidellm(n=2), aiperf(), json.loads(aiperf_records(n=2).split("\n")[0])]
)
def test_what_another_tool_did_not_write_there_is_refused_in_words_or_left_out(
    tool: Any, tmp_path: Path
) -> None:
    good, path = first_of_each(tool), tmp_path / "x.json"
    for i, at in enumerate(places(good)):
        marked = json.dumps(with_mark(good, at))
        for text in HOSTILE[i % 3 :: 3]:
            path.write_text(marked.replace('"@@"', text), encoding="utf-8", errors="surrogatepass")
            with contextlib.suppress(InvalidInput):
                for run in read_runs(path):
                    assert np.isfinite(
                        [*run.numbers.values(), *(t for k in run.requests.values() for t in k)]
                    ).all()


@pytest.mark.parametrize(
    ("before", "after", "code"),
    [
        ((5.0, 5.1, 5.2), (0.0, 0.0, 0.0), 1),
        ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0), 0),
        ((0.0, 0.0, 0.0), (5.0, 5.1, 5.2), 3),
        ((5.0, 5.1, 5.2), (0.0, 0.0, 5.3), 3),
    ],
)
def test_a_rate_that_falls_to_nothing_is_not_left_out(
    before: tuple[float, ...],
    after: tuple[float, ...],
    code: int,
    write: Write,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sides = [
        [
            write(f"{side}{i}.json", vllm(detailed=False) | {"request_goodput": v})
            for i, v in enumerate(values)
        ]
        for side, values in (("a", before), ("b", after))
    ]
    found, said = gate(capsys, *sides, "--metric", "goodput_req_s")
    assert (found, "3 and 3 runs" in said) == (code, True)


def exported(values: list[float]) -> str:
    told = {"state": "finished", "params": {"x": 1}, "ending": {"metrics": {}}}
    return "\n".join(json.dumps(told | {"number": i, "values": [v]}) for i, v in enumerate(values))


def test_values_below_zero_are_judged_by_how_their_mean_changes(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = write("old.jsonl", exported([-3, -3.1, -2.9])), write("new.jsonl", exported([-5, -5.1, -5.2]))
    assert [gate(capsys, *sides, "--maximize", "value")[0] for sides in ([[old], [new]], [[new], [old]])] == [
        1,
        0,
    ]
    assert gate(capsys, [old], [new], "--minimize", "value")[0] == 0


def test_an_export_of_one_trial_is_read_and_says_too_little(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    one = write("one.jsonl", exported([3.0]))
    code, said = gate(capsys, [one], [one], "--minimize", "value")
    assert (code, "one number of a side" in said) == (3, True)


def test_sglang_writes_a_run_a_line_and_does_not_say_what_failed(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    def lines(factor: float) -> str:
        run = {k: v for k, v in vllm(detailed=False).items() if k != "num_prompts"}
        return "\n".join(
            json.dumps(run | {"median_e2e_latency_ms": factor * (900 + i), "request_rate": float("inf")})
            for i in range(3)
        )

    old, new = write("old.jsonl", lines(1.0)), write("new.jsonl", lines(1.2))
    assert [run.failed for run in read_runs(old)] == [None] * 3
    code, said = gate(capsys, [old], [new], "--metric", "e2e_p50_ms")
    assert (code, "failed" in said) == (1, False)


def test_an_excluded_row_of_a_table_is_no_run(write: Write) -> None:
    table = "number,state,wall,excluded\n0,finished,3,\n1,finished,9,the disk was full\n"
    assert [run.numbers["wall"] for run in read_runs(write("t.csv", table))] == [3.0]


def test_runs_that_lie_farther_apart_than_floats_are_inconclusive(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    sides = [
        [write(f"{side}{i}.json", vllm(detailed=False) | {"median_ttft_ms": v}) for i, v in enumerate(values)]
        for side, values in (("a", (1e-300, 1e300)), ("b", (100.0, 101.0)))
    ]
    assert gate(capsys, *sides, "--metric", "ttft_p50_ms")[0] == 3


def test_a_file_that_is_not_there_is_one_message(capsys: pytest.CaptureFixture[str]) -> None:
    code, said = gate(capsys, [Path("nowhere.json")], [Path("nowhere.json")])
    assert (code, "nowhere.json" in said) == (2, True)


def test_nothing_changed_rarely_fails() -> None:
    def run(seed: int) -> MeasuredRun:
        rng = np.random.default_rng(seed)
        return MeasuredRun(
            "r", "", {}, {k: tuple(rng.lognormal(5, 0.4, 300)) for k in ("ttft", "tpot", "e2e")}
        )

    answers = [judge([run(2 * i)], [run(2 * i + 1)], GateRules({}, tolerance=0.0)).answer for i in range(60)]
    assert answers.count("FAIL") <= 6  # 3 of 60 are allowed; more than 6 have a probability of 3 %


def test_rules_that_make_no_sense_are_refused() -> None:
    with pytest.raises(InvalidInput, match="`tolerance`"):
        GateRules({}, tolerance=-0.1)
