import json
from dataclasses import replace

import numpy as np
import pytest
from contracts.planner import PlannerContract, history, problem, request
from hypothesis import example, given, settings, strategies as st

import trialogue as tl
from trialogue.agent.planner.by_name import planner_from
from trialogue.agent.planner.memory import PlannerMemory
from trialogue.agent.planner.planner import Planner, default_timeout_s
from trialogue.agent.referee.novelty import Novelty
from trialogue.evaluators.problems.history import History
from trialogue.serving.scripted.behaviours import (
    answer,
    any_point,
    garbage,
    nearest_neighbour,
    slow,
    stuck,
    uniform,
)
from trialogue.serving.scripted.server import ScriptedReply, ScriptedServer


class TestPlannerOverHttp(PlannerContract):
    @pytest.fixture
    def planner(self):
        with ScriptedServer(uniform) as server:
            yield Planner(server.url)


class TestPlannerWithGarbage(PlannerContract):
    @pytest.fixture
    def planner(self):
        with ScriptedServer(garbage) as server:
            yield Planner(server.url)


class TestPlannerWithoutSchemaSupport(PlannerContract):
    @pytest.fixture
    def planner(self):
        def prose(call):
            rng = call.rng()
            pairs = f"x: {rng.uniform(-2, 3)}, rate: {10 ** rng.uniform(-5, -1)}, method: plain, depth: null"
            return ScriptedReply(f"Try this:\n## {pairs} ##")

        with ScriptedServer(prose, supports_schema=False) as server:
            yield Planner(server.url)


def test_text_is_read_where_the_server_knows_no_schema():
    reply = ScriptedReply("## x: 1, rate: 1e-3, method: plain, depth: null ##")
    with ScriptedServer(lambda c: reply, supports_schema=False) as server:
        (proposal,) = Planner(server.url).propose(request()).proposals
    assert proposal.params == {"x": 1.0, "rate": 1e-3, "method": "plain"}


def test_a_model_is_shown_its_error_once_and_its_second_answer_counts():
    def forgetful(call):
        if len(call.messages) == 2:
            return answer([{"x": "one"}])
        assert '"x" must be a number' in call.messages[-1]["content"]
        return answer([{"x": 1.0, "rate": 1e-3, "method": "plain", "depth": None}])

    with ScriptedServer(forgetful) as server:
        got = Planner(server.url).propose(request())
        assert len(server.requests) == 2
    assert len(got.proposals) == 1
    assert [c.outcome for c in got.calls] == ["invalid", "ok"]
    assert got.calls[1].purpose == "repair"


def test_garbage_ends_after_one_repair_with_the_reason_in_words():
    with ScriptedServer(garbage) as server:
        got = Planner(server.url).propose(request())
        assert len(server.requests) == 2
    assert got.proposals == ()
    assert {c.outcome for c in got.calls} == {"invalid"}
    assert got.notes


def test_repetition_is_told_and_then_dropped():
    given = history()
    tried = {name: given.finished[0].params.get(name) for name in problem().space.names}
    with ScriptedServer(lambda c: answer([tried])) as server:
        got = Planner(server.url).propose(request(given))
        assert "tried already" in server.requests[1]["messages"][-1]["content"]
    assert got.proposals == ()


def test_copies_within_an_answer_count_once():
    with ScriptedServer(stuck) as server:
        assert len(Planner(server.url).propose(request()).proposals) == 1


def test_an_abstention_is_an_answer():
    with ScriptedServer(lambda c: ScriptedReply('{"proposals": [], "abstain": true}')) as server:
        got = Planner(server.url).propose(request())
    assert got.abstained
    assert got.calls[0].outcome == "abstained"


def test_a_slow_model_is_a_timeout_and_not_an_error():
    with ScriptedServer(slow(20)) as server:
        got = Planner(server.url, timeout_s=0.3).propose(request())
    assert [c.outcome for c in got.calls] == ["timeout"]


def test_an_unreachable_model_is_told_and_not_an_error():
    got = Planner("http://127.0.0.1:9/v1#m").propose(request())
    assert [c.outcome for c in got.calls] == ["unreachable"]


def deaf_to_bounds(call):
    """A model behind a grammar that holds choices and forms, and no bounds of numbers: as llama.cpp's does."""
    free = {"x": -734657.18, "rate": 1.289, "method": "plain", "depth": None}
    asked = [
        {n: p["enum"][-1 - i] if "enum" in p else free[n] for n, p in call.parameters.items()} for i in (0, 1)
    ]
    return answer(asked)


def test_a_grammar_without_bounds_gets_choices_and_the_study_remembers_it():
    with ScriptedServer(deaf_to_bounds) as server:
        planner = Planner(server.url)
        got = planner.propose(request())
        assert [c.outcome for c in got.calls] == ["invalid", "ok"]
        assert len(got.proposals) == 2
        again = planner.propose(request(memory=got.memory))
        assert [c.outcome for c in again.calls] == ["ok"]
        assert len(planner.propose(request(memory=got.memory, repairs=False)).proposals) == 2


def test_words_outside_the_space_where_no_schema_was_taken_are_no_sign_of_a_grammar():
    reply = ScriptedReply("## x: 700, rate: 1e-3, method: plain, depth: null ##")
    with ScriptedServer(lambda c: reply, supports_schema=False) as server:
        got = Planner(server.url).propose(request())
    assert not PlannerMemory.read(got.memory).choices


def small_context(call):
    """A model whose context holds 2,000 characters of a user's words."""
    if len(call.text) > 2_000:
        words = "This model's maximum context length is 700 tokens; please reduce the length of the messages."
        return ScriptedReply(words, status=400)
    return uniform(call)


def test_a_small_context_gets_a_shorter_prompt_and_the_study_remembers_it():
    with ScriptedServer(small_context) as server:
        planner = Planner(server.url)
        got = planner.propose(request(history(60)))
        assert [c.outcome for c in got.calls] == ["refused", "ok"]
        assert got.proposals
        assert "response_format" in server.requests[-1]
        again = planner.propose(request(history(60), memory=got.memory))
        assert [c.outcome for c in again.calls] == ["ok"]
        assert again.memory == ""


def test_a_long_history_in_one_study_does_not_shorten_the_prompts_of_another():
    with ScriptedServer(small_context) as server:
        planner = Planner(server.url)
        before = planner.prompt(request(history(20)))
        first, second = (planner.propose(request(history(60))) for _ in range(2))
        assert planner.prompt(request(history(20))) == before
        assert [c.prompt_hash for c in first.calls] == [c.prompt_hash for c in second.calls]
        assert [p.params for p in first.proposals] == [p.params for p in second.proposals]


def test_several_samples_are_each_read_on_their_own():
    def mixed(call):
        if call.choice == 1:
            return ScriptedReply("nonsense")
        return answer([any_point(call, call.rng())])

    with ScriptedServer(mixed) as server:
        got = Planner(server.url, samples=3).propose(request(n=5))
    assert len(got.proposals) == 2


def test_few_tokens_left_shorten_the_answer_and_fewer_forbid_the_call():
    with ScriptedServer(uniform) as server:
        planner = Planner(server.url)
        assert planner.propose(request(tokens_left=1_200)).calls[0].outcome == "ok"
        assert server.requests[0]["max_tokens"] < 800
        assert planner.propose(request(tokens_left=100)).calls[0].outcome == "over_budget"
        assert len(server.requests) == 1


def test_two_hundred_parameters_are_proposed_as_far_as_an_answer_holds_them():
    space = tl.SearchSpace(
        [tl.Float(f"a parameter with a long name {i}", 1e-5, 1e-1, log=True) for i in range(200)]
    )
    wide = tl.Problem("wide", space, objectives=[tl.Objective("loss", "minimize")])
    with ScriptedServer(uniform) as server:
        answer = Planner(server.url).propose(replace(request(History(wide)), n=8))
        assert server.requests[0]["max_tokens"] <= 8_000
    assert len(answer.proposals) == 2
    assert answer.calls[0].completion_tokens < 8_000


def test_calls_and_money_left_are_hard_limits():
    with ScriptedServer(garbage) as server:
        answer = Planner(server.url).propose(replace(request(), calls_left=1))
        assert len(server.requests) == len(answer.calls) == 1
    with ScriptedServer(uniform) as server:
        planner = Planner(server.url, prices=(1.0, 2.0))
        free = planner.propose(request()).calls[0].price
        assert free is not None
        assert planner.propose(replace(request(), price_left=free / 4)).calls[0].outcome == "over_budget"
        tight = planner.propose(replace(request(), price_left=0.002))
        assert sum(c.price or 0.0 for c in tight.calls) <= 0.002
        assert server.requests[-1]["max_tokens"] < server.requests[0]["max_tokens"]


def test_prices_make_money_of_tokens():
    with ScriptedServer(uniform) as server:
        (call,) = Planner(server.url, prices=(1.0, 2.0)).propose(request()).calls
    assert call.price == pytest.approx((call.prompt_tokens + 2 * call.completion_tokens) / 1e6)


def test_a_reader_of_the_rows_finds_the_history_in_the_request():
    with ScriptedServer(nearest_neighbour) as server:
        given = history(30)
        proposals = Planner(server.url).propose(request(given, n=4)).proposals
    best = min(given.finished, key=lambda t: t.measurement.value)
    distances = [abs(p.params["x"] - best.params["x"]) for p in proposals]
    assert np.median(distances) < 0.8


def test_two_studies_share_a_planner_without_mixing():
    other = tl.Problem("other", tl.SearchSpace([tl.Float("y", 0, 1)]))
    with ScriptedServer(uniform) as server:
        planner = Planner(server.url)
        a = planner.propose(request())
        b = planner.propose(request(History(other)))
    assert all("x" in p.params for p in a.proposals)
    assert all(set(p.params) == {"y"} for p in b.proposals)


def test_the_instruction_whose_trials_were_good_is_used_more():
    told = history()
    best = max(told.finished, key=lambda t: -t.measurement.value)
    planned = replace(told, finished=tuple(replace(t, source="planner:m") for t in told.finished))
    key = problem().space.key
    with ScriptedServer(uniform) as server:
        planner = Planner(server.url)
        variants = {key(t.params): 2 if t is best else 0 for t in told.finished}
        asked = [replace(request(planned, seed=s), variants=variants) for s in range(12)]
        used = [p.variant for a in asked for p in planner.propose(a).proposals[:1]]
    assert used.count(2) > used.count(0)


def test_a_recorded_planner_answers_alike_without_the_server(tmp_path):
    path = tmp_path / "calls.jsonl"
    with ScriptedServer(uniform) as server:
        live = [Planner(server.url, recording=path).propose(request(seed=s)) for s in range(3)]
        url = server.url
    replayed = [Planner(f"{url}#scripted", recording=path).propose(request(seed=s)) for s in range(3)]
    assert [[p.params for p in a.proposals] for a in replayed] == [
        [p.params for p in a.proposals] for a in live
    ]


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.floats()
    | st.integers()
    | st.text(max_size=20)
    | st.sampled_from(["plain", "fast"]),
    lambda x: (
        st.lists(x, max_size=3)
        | st.dictionaries(
            st.sampled_from(["params", "x", "rate", "method", "depth", "proposals", "abstain"]), x, max_size=4
        )
    ),
    max_leaves=12,
)
replies = st.one_of(
    json_values.map(lambda v: ScriptedReply(json.dumps(v))),
    json_values.map(lambda v: ScriptedReply(json.dumps({"proposals": [{"params": v, "confidence": v}]}))),
    json_values.map(lambda v: ScriptedReply(raw=json.dumps({"choices": v, "usage": v}).encode())),
    json_values.map(
        lambda v: ScriptedReply(raw=json.dumps({"choices": [{"message": v, "logprobs": v}]}).encode())
    ),
    st.binary(max_size=50).map(lambda b: ScriptedReply(raw=b)),
    st.text(max_size=50).map(ScriptedReply),
    st.sampled_from([204, 301, 400, 401, 404, 413, 422]).map(lambda code: ScriptedReply("no", status=code)),
)


@given(reply=replies)
@example(reply=ScriptedReply(raw=b'{"choices": {"message": {}}}'))
@example(reply=ScriptedReply(raw=b'{"data": {"choices": 5}}'))
@example(reply=ScriptedReply(raw=b'data: {"choices": [{"index": 1e400}]}'))
@settings(max_examples=40, deadline=None)
def test_whatever_a_server_answers_no_error_escapes_and_no_invalid_point(reply):
    with ScriptedServer(lambda c: reply) as server:
        got = Planner(f"{server.url}#scripted", timeout_s=10).propose(request())
    for p in got.proposals:
        assert problem().space.validate(p.params) == p.params
    assert got.calls


def test_specifications_become_planners(monkeypatch):
    monkeypatch.setenv("TRIALOGUE_MODEL", "from-environment")
    assert planner_from(None) is None
    assert planner_from("http://127.0.0.1:9/v1#named").name == "named"
    assert planner_from("http://127.0.0.1:9/v1").name == "from-environment"
    planner = Planner("http://127.0.0.1:9/v1")
    assert planner_from(planner) is planner


@pytest.mark.parametrize("spec", ["gpt-4", "ftp://x", "", "vllm:", 5, object()])
def test_a_specification_that_is_none_is_refused(spec):
    with pytest.raises(tl.TrialogueError):
        planner_from(spec)


def test_the_timeout_can_be_set_by_the_environment(monkeypatch):
    monkeypatch.setenv("TRIALOGUE_TIMEOUT_S", "7.5")
    assert default_timeout_s() == 7.5
    monkeypatch.setenv("TRIALOGUE_TIMEOUT_S", "soon")
    with pytest.raises(tl.TrialogueError, match="soon"):
        default_timeout_s()


def test_keys_come_from_the_environment_and_go_nowhere_else(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-0123456789abcdefgh")
    with ScriptedServer(uniform, api_key="sk-0123456789abcdefgh") as server:
        planner = Planner(server.url)
        got = planner.propose(request())
    assert got.proposals
    assert "0123456789abcdefgh" not in json.dumps([repr(got), repr(planner), repr(vars(planner))])


def test_nearly_equal_is_not_new_and_a_step_is():
    space = tl.SearchSpace([tl.Float("x", 0, 1), tl.Int("n", 1, 1000)])
    novelty = Novelty(space, [{"x": 0.5, "n": 10}])
    assert not novelty.is_new({"x": 0.505, "n": 10})
    assert novelty.is_new({"x": 0.505, "n": 11})
    assert novelty.is_new({"x": 0.52, "n": 10})


def test_only_so_many_are_remembered():
    space = tl.SearchSpace([tl.Float("x", 0, 1)])
    novelty = Novelty(space, most=2)
    for x in (0.1, 0.5, 0.9):
        novelty.add({"x": x})
    assert novelty.is_new({"x": 0.1})
    assert not novelty.is_new({"x": 0.5})


def without_schemas(call):
    """A model that draws points, behind a server that knows no schema."""
    if "response_format" in call.body:
        return ScriptedReply("response_format is not supported", status=400)
    rng = call.rng()
    return answer([{"x": rng.random(), "y": rng.random()}])


def test_what_a_server_refuses_is_kept_in_the_ledger_and_not_asked_for_again(tmp_path):
    storage = f"sqlite:///{tmp_path}/studies.db"
    space = tl.SearchSpace([tl.Float("x", 0, 1), tl.Float("y", 0, 1)])
    with ScriptedServer(without_schemas) as server:
        for _ in range(2):
            planner = Planner(server.url)
            study = tl.Study(tl.Problem("p", space), name="s", storage=storage, planner=planner)
            before = study.spent.calls
            study.run(lambda p: p["x"] + p["y"], n_trials=6)
            assert study.spent.calls > before
            assert planner.endpoint.abilities.refused == {"schema"}
        assert sum("response_format" in body for body in server.requests) == 1
