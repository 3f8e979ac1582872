"""Workloads as text and as rows; limits and metrics; the highest rate; agreement of answers."""

import json
import uuid
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings, strategies as st

from trialogue.evaluators.errors import InvalidSpecification
from trialogue.evaluators.problems.problem import Constraint
from trialogue.evaluators.servers.agreement import share_equal
from trialogue.evaluators.servers.metrics import (
    derived,
    devices_of,
    goodput_limits,
    objective_named,
    parse_limit,
    resolve_limits,
)
from trialogue.evaluators.servers.rate import highest_rate
from trialogue.evaluators.traffic.workload import Lengths, Workload
from trialogue.serving.errors import InvalidInput
from trialogue.serving.servers.load import LoadResult


def test_a_preset_can_be_changed_in_place() -> None:
    workload = Workload.parse("chat:input=100-200,prompts=50,concurrency=8")
    rows = workload.rows()
    assert (len(rows), workload.concurrency) == (50, 8)
    assert all(100 <= r["input_len"] <= 200 and r["output_len"] == 64 for r in rows)


def test_a_mixture_has_its_shares_and_its_prefixes() -> None:
    workload = Workload.parse(
        "0.75*random:input=10,output=5+0.25*prefix:shared=100@prompts=400,rate=20,burstiness=0.5"
    )
    rows = workload.rows()
    shared = [r for r in rows if r.get("prefix_len")]
    assert len(rows) == 400
    assert 60 < len(shared) < 140
    assert (workload.rate, workload.burstiness) == (20.0, 0.5)
    assert workload.longest == 180


def test_recorded_conversations_and_arrival_times_are_read(tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    turns = [{"from": "human", "value": "What is love?"}, {"from": "gpt", "value": "x" * 40}]
    file.write_text(
        json.dumps({"conversations": turns, "at_s": 0.1})
        + "\n"
        + json.dumps({"input_len": 9, "output_len": 3, "at_s": 0.5})
    )
    rows = Workload.parse(f"{file}@recorded=true").rows()
    assert rows[0]["prompt"] == "What is love?"
    assert rows[0]["output_len"] == 10
    assert rows[1]["at_s"] == 0.4


def conversations(path: Path, *talks: dict, array: bool) -> Path:
    path.write_text(json.dumps(list(talks), indent=1) if array else "\n".join(map(json.dumps, talks)))
    return path


TALKS = (
    {"id": "0", "conversations": [{"from": "gpt", "value": "as I said"}, {"from": "human", "value": "And then?"},
                                  {"from": "gpt", "value": "y" * 80}]},
    {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
                  {"role": "assistant", "content": "z" * 20}, {"role": "user", "content": "w" * 400}]},
    {"conversations": [{"from": "human", "value": "nobody answers"}]},
    {"conversations": []},
)  # fmt: skip


@pytest.mark.parametrize("array", [True, False])
def test_the_first_answered_request_of_a_conversation_counts(array: bool, tmp_path: Path) -> None:
    rows = Workload.parse(str(conversations(tmp_path / "share.json", *TALKS, array=array))).rows()
    assert [(r["prompt"], r["output_len"]) for r in rows] == [("And then?", 20), ("Be brief.\nHi", 5)]


def test_recorded_times_are_sent_in_order_from_the_first(tmp_path: Path) -> None:
    file = conversations(
        tmp_path / "log.jsonl",
        *({"input_len": 5, "output_len": n, "at_s": 1.7e9 - n} for n in (1, 2, 3)),
        array=False,
    )
    rows = Workload.parse(f"{file}@recorded=True").rows()
    assert [(r["output_len"], r["at_s"]) for r in rows] == [(3, 0.0), (2, 1.0), (1, 2.0)]


def test_a_file_may_have_any_name_that_exists(tmp_path: Path) -> None:
    file = conversations(tmp_path / "me@home:1.json", TALKS[0], TALKS[1], array=True)
    workload = Workload.parse(f"{file}:concurrency=3@prompts=1")
    assert (len(workload.rows()), workload.concurrency) == (1, 3)


LINE = '{"input_len": 5, "output_len": 5}'


@pytest.mark.parametrize(
    ("content", "settings", "told"),
    [
        (f"{LINE}\nnot json", "", "line 2"),
        ("[" * 100_000, "", "JSON"),
        (f"{LINE}\n[3]", "", "line 2"),
        (f"[{LINE}, 3]", "", "item 2"),
        ('{"input_len": -5, "output_len": 5}', "", "input_len"),
        ('{"input_len": 5, "output_len": 0}', "", "output_len"),
        ('{"input_len": 5, "output_len": 1e400}', "", "output_len"),
        ('{"input_len": 5, "output_len": 5, "at_s": NaN}', "", "at_s"),
        ('{"input_len": 5, "output_len": 5, "at_s": 1' + "0" * 400 + "}", "", "at_s"),
        (f'{LINE[:-1]}, "at_s": 1}}\n{LINE}', "@recorded=true", "request 2"),
        (f'{LINE[:-1]}, "at_s": 1}}', "@recorded=true,rate=3", "rate=3"),
        (LINE, "@recorded=maybe", "recorded"),
        ("\n", "", "none in"),
        (json.dumps(TALKS[2]), "", "none in"),
    ],
)
def test_a_file_that_cannot_be_sent_is_refused_with_the_place(
    content: str, settings: str, told: str, tmp_path: Path
) -> None:
    (tmp_path / "log.jsonl").write_text(content)
    with pytest.raises(InvalidSpecification, match=told):
        Workload.parse(f"{tmp_path}/log.jsonl{settings}")


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "log.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidSpecification, match="UTF-8"):
        Workload.parse(f"{tmp_path}/log.json")


PIECES = st.sampled_from(
    [*"@:+*=,~-", "chat", "prefix", "random", "input", "output", "prompts", "rate", "burstiness", "recorded", "shared",
     "prefixes", "weight", "seed", "warm_up", "concurrency", "1", "0", "-1", "0.5", "1e999", "nan", "9" * 20, "true", "x",
     ".json", "/", "\0", "log.jsonl"]
)  # fmt: skip


@settings(max_examples=400)
@given(
    st.one_of(
        st.text(max_size=300), st.lists(PIECES, max_size=14).map("".join), st.lists(PIECES).map("chat:".join)
    )
)
@example("log.jsonl" * 200)
@example("random:seed=4294967295")
def test_every_text_is_a_workload_or_refused_in_words(text: str) -> None:
    try:
        workload = Workload.parse(text)
    except InvalidInput:
        return
    assert workload.longest >= 1
    assert replace(workload, prompts=3, warm_up=3).warming().rows()


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["human", "gpt", "hello"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["conversations", "messages", "from", "value", "content", "role", "input_len", "output_len",
                         "prompt", "prefix", "prefix_len", "at_s", "system", "text"]), inner, max_size=5),
    max_leaves=12,
), st.booleans())  # fmt: skip
def test_every_file_is_a_workload_or_refused_in_words(tmp_path: Path, item: object, timed: bool) -> None:
    path = tmp_path / f"log-{uuid.uuid4()}.json"
    path.write_text(json.dumps(item))
    try:
        rows = Workload.parse(f"{path}@recorded={timed}").rows()
    except InvalidInput:
        return
    assert all(r["input_len"] >= 1 and r["output_len"] >= 1 and r.get("prefix", 0) >= 0 for r in rows)


@given(st.integers(1, 5000), st.integers(1, 5000), st.floats(0.0, 1.5))
def test_lengths_stay_in_their_range(low: int, high: int, sigma: float) -> None:
    import numpy as np

    lengths = Lengths(min(low, high), max(low, high), sigma).draw(np.random.default_rng(0), 50)
    assert lengths.min() >= 1
    assert lengths.max() <= max(low, high)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("walk", "'walk'"), ("chat,concurrency=4", "colon"), ("log.jsonl.gz", "unpacked"),
        ("chat:inputs=3", "'inputs'"), ("chat:input", "'input'"), ("random:input=a", "'a'"),
        ("no-such.jsonl", "no-such.jsonl"), ("chat:prompts=abc", "'abc'"), ("chat:input=400-100", "got 100"),
        ("x*chat", "'x'"), ("0*chat", "`weight`"), ("nan*chat", "`weight`"), ("prefix:prefixes=0", "`prefixes`"),
        ("chat:prompts=0", "`prompts`"), ("chat:concurrency=0", "`concurrency`"), ("chat:rate=-1", "`rate`"),
        ("chat:rate=nan", "`rate`"), ("chat:rate=inf", "`rate`"), ("chat:burstiness=0", "`burstiness`"),
        ("chat:input=0", "`length`"), ("chat:input=256~0", "`sigma`"), ("chat:recorded=true", "no file"),
        ("chat:recorded=maybe", "'maybe'"), ("chat:seed=-1", "`seed`"), ("chat:warm_up=0", "`warm_up`"),
    ],
)  # fmt: skip
def test_a_workload_that_cannot_be_read_is_refused_with_a_cure(text: str, told: str) -> None:
    with pytest.raises(InvalidSpecification, match=told) as caught:
        Workload.parse(text)
    assert "must" in str(caught.value) or "known:" in str(caught.value) or "takes" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "requests"), [("chat", 32), ("chat:concurrency=4", 8), ("chat:warm_up=5", 5)]
)
def test_few_requests_at_once_are_warmed_up_by_few(text: str, requests: int) -> None:
    assert len(Workload.parse(text).warming().rows()) == requests


def test_many_prefixes_of_several_parts_stay_apart() -> None:
    rows = Workload.parse("prefix:prefixes=5000+prefix:shared=10@prompts=900").rows()
    assert len({r["prefix_len"] for r in rows if r["prefix"] >= 5000}) == 1
    assert len({r["prefix_len"] for r in rows if r["prefix"] < 5000}) == 1


def test_equal_workloads_have_equal_digests_and_the_seed_matters() -> None:
    assert Workload.parse("chat").digest == Workload.parse("chat").digest
    text = "chat:input=1-99"
    assert Workload.parse(text).digest != Workload.parse(f"{text},seed=1").digest


def test_limits_are_numbers_or_shares_of_the_default() -> None:
    limits = [parse_limit("ttft_p99_ms<=200"), parse_limit("tpot_p99_ms <= 0.75x")]
    made = resolve_limits(limits, {"tpot_p99_ms": 20.0}, margin=0.1)
    assert [(c.name, c.upper) for c in made] == [("ttft_p99_ms", 180.0), ("tpot_p99_ms", 13.5)]
    assert goodput_limits([Constraint("e2e_p99_ms", upper=900.0)]) == {"e2el": 900.0}
    with pytest.raises(InvalidSpecification, match="--slo"):
        parse_limit("happiness<=3")


def test_objectives_know_their_direction_and_derived_ones_are_ratios() -> None:
    assert objective_named("ttft_p99_ms").direction == "minimize"
    found = derived({"output_tok_s": 100.0, "devices": 4.0}, price_per_hour=2.0)
    assert found["output_tok_s_per_gpu"] == 25.0
    assert found["output_tok_per_money"] == pytest.approx(45_000)
    assert devices_of({"tensor_parallel_size": 2, "data_parallel_size": 4, "block_size": 16}) == 8


def server_that_holds(limit: float):
    def measure(rate: float) -> LoadResult:
        late = 1.0 if rate <= limit else 10.0
        return LoadResult({"requests_s": min(rate, 1.2 * limit), "ttft_p99_ms": 100.0 * late})

    return measure


@pytest.mark.parametrize("first", [1.0, 8.0, 100.0])
def test_the_highest_rate_is_bracketed_then_bisected(first: float) -> None:
    found = highest_rate(server_that_holds(10.0), [Constraint("ttft_p99_ms", upper=200.0)], first, runs=14)
    assert 9.5 <= found.best <= 10.0


def test_a_saturated_run_is_too_fast_even_without_limits() -> None:
    found = highest_rate(server_that_holds(10.0), [], 50.0, runs=12)
    assert found.best <= 13.4


def queue(rate: float, n: int, served_s: float, places: int) -> LoadResult:
    """Requests at even distances, each served for as long, so many at once, the others in line."""
    free = [0.0] * places
    ends, latencies = [], []
    for i in range(n):
        place = min(range(places), key=free.__getitem__)
        free[place] = max(free[place], i / rate) + served_s
        ends.append(free[place])
        latencies.append(free[place] - i / rate)
    metrics = {"requests_s": n / max(ends), "duration_s": max(ends)}
    return LoadResult(metrics | {"e2e_p50_ms": 1000 * sorted(latencies)[n // 2]})


@pytest.mark.parametrize("n", [48, 1000])
def test_few_requests_that_end_late_are_not_taken_for_a_queue_that_grows(n: int) -> None:
    capacity = 16 / 0.8  # places over seconds: 20 per second
    found = highest_rate(lambda rate: queue(rate, n, 0.8, 16), [], 4.0, runs=12)
    assert 0.9 * capacity <= found.best <= 1.35 * capacity


def test_agreement_is_the_share_that_begins_equally() -> None:
    assert share_equal(["abcd", "xy"], ["abzz", "xy"]) == pytest.approx(0.75)
    assert share_equal(["", "ab"], ["", "ab"]) == 1.0  # an answer of special tokens only is empty text
