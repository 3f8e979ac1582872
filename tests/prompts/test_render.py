import json
from dataclasses import replace
from pathlib import Path

import jinja2
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import trialogue as tl
from tests.prompts.spaces import NASTY, spaces, svm, svm_history
from trialogue.evaluators.problems.history import FailedTrial, FinishedTrial, History
from trialogue.prompts.histories.by_name import SELECTIONS
from trialogue.prompts.render import (
    PromptOptions,
    instructions,
    render_proposal_prompt,
    render_repair,
    template,
)

SNAPSHOTS = Path(__file__).parent / "snapshots"


def render(history, **kwargs):
    options = {"n": 3, "purpose": "candidates", "rng": np.random.default_rng(0)} | kwargs
    return render_proposal_prompt(history, **options)


def text_of(prompt):
    return "\n\n".join(f"## {m.role}\n{m.content}" for m in prompt.messages)


def rows_of(prompt):
    return [json.loads(line) for line in prompt.messages[1].content.splitlines() if line.startswith("{")]


def check(name, text):
    """Compare with the stored snapshot; delete the file to write it anew."""
    path = SNAPSHOTS / f"{name}.txt"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_the_prompt_for_candidates_reads_as_stored():
    suggestion = {"kernel": "rbf", "C": 3.0, "gamma": 0.01, "max_iter": 300}
    check("candidates", text_of(render(svm_history(), suggestion=suggestion, prediction=" (it expects 0.9)")))


def test_the_prompt_for_warm_starts_reads_as_stored():
    check("warm_start", text_of(render(History(svm()), purpose="warm_start", knowledge=["C of 10 is usual"])))


def test_the_prompts_of_llambo_read_as_stored():
    from trialogue.prompts import llambo
    from trialogue.prompts.wire import Wire

    history, rng = svm_history(), np.random.default_rng(0)
    check(
        "llambo_candidates",
        text_of(llambo.render_candidates(history, target=0.99, variant=1, rng=rng, about=["SVM"])),
    )
    wire = Wire(history.problem.space)
    examples = [(t.params, 50.0 + i) for i, t in enumerate(history.finished)]
    labels = [(p, y > 51) for p, y in examples]
    query = history.running[0].params
    check("llambo_score", llambo.render_score(wire, examples, query, ["SVM"])[0].content)
    check("llambo_class", llambo.render_class(wire, labels, query, ["SVM"], 25)[0].content)


def test_the_prompt_for_regions_and_rules_reads_as_stored():
    from trialogue.prompts.elicitation import render_elicitation

    check("elicit", text_of(render_elicitation(svm_history(), np.random.default_rng(0), PromptOptions())))


def test_the_repair_round_reads_as_stored():
    check("repair", text_of(render_repair(render(History(svm())), "C = 3", ['"C" is missing.'], 2)))


@pytest.mark.parametrize("context", ["none", "partial", "full"])
def test_less_context_tells_less(context):
    text = text_of(render(svm_history(), options=PromptOptions(context=context)))
    assert ("digits images" in text) == (context != "none")
    assert ("1797" in text) == (context == "full")
    assert '"accuracy"' in text


def test_every_objective_is_told_with_its_name_and_direction():
    text = text_of(render(svm_history()))
    assert 'maximize "accuracy"' in text
    assert 'minimize "size" in kB' in text
    assert '"fit_s" <= 2.0 s' in text


def test_the_history_is_one_json_object_per_line():
    rows = rows_of(render(svm_history()))
    assert {r["number"] for r in rows} == {0, 1, 2, 3, 4}
    (failed,) = (r for r in rows if "failed" in r)
    assert "MemoryError" in failed["failed"]
    (best,) = (r for r in rows if r["number"] == 1)
    assert best["params"] == {"kernel": "rbf", "C": 12.35, "gamma": 0.001235, "max_iter": 500}
    assert best["values"] == {"accuracy": 0.98, "size": 300.0}
    assert best["constraints"] == {"fit_s": 1.5}


def test_a_limit_that_was_not_measured_is_said_to_be_unknown_and_not_broken():
    history = svm_history()
    params = {"kernel": "linear", "C": 3.0, "max_iter": 100}
    cut = FinishedTrial(9, params, tl.Measurement([0.5, 20.0]))
    rows = rows_of(render(history.extended(finished=[cut])))
    (told,) = (r for r in rows if r["number"] == 9)
    assert told["constraints"] == {}
    assert told["feasible"] == "unknown: fit_s not measured"


def test_failure_texts_are_redacted_where_they_leave_the_machine():
    here = text_of(render(svm_history(), options=PromptOptions(stays_here=True)))
    away = text_of(render(svm_history(), options=PromptOptions(stays_here=False)))
    assert "alice" in here
    assert "alice" not in away


def long_history(n=300):
    problem = tl.Problem("p", tl.SearchSpace([tl.Float(f"x{i}", 0, 1) for i in range(6)]))
    X = np.random.default_rng(0).random((n, 6))
    trials = [
        FinishedTrial(i, problem.space.from_unit(x), tl.Measurement(float(((x - 0.4) ** 2).sum())))
        for i, x in enumerate(X)
    ]
    failed = [FailedTrial(n + i, trials[i].params, "crash", "boom " * 100) for i in range(50)]
    return History(problem).extended(finished=trials, failed=failed)


@pytest.mark.parametrize("name", SELECTIONS)
def test_a_long_history_stays_within_its_tokens_and_holds_the_best(name):
    history = long_history()
    best = int(np.argmin(history.Y))
    options = PromptOptions(select=SELECTIONS[name], history_tokens=1_000)
    prompt = render(history, options=options)
    rows = rows_of(prompt)
    assert sum(len(json.dumps(r)) for r in rows) < 3_500
    assert best in {r["number"] for r in rows}
    assert "Shown are" in prompt.messages[1].content


def test_the_tokenizer_given_is_the_one_that_counts():
    few = render(long_history(), options=PromptOptions(count=len, history_tokens=1_000))
    many = render(long_history(), options=PromptOptions(count=lambda t: 1, history_tokens=1_000, max_rows=60))
    assert len(rows_of(few)) < 12 < 60 < len(rows_of(many))


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_nasty_names_and_texts_neither_break_the_prompt_nor_reach_a_template(data):
    space = data.draw(spaces())
    word = data.draw(st.sampled_from(NASTY))
    problem = tl.Problem("p", space, description=f"about {word}", context={"fact": word})
    trials = space.sample(np.random.default_rng(0), 3)
    history = History(problem).extended(
        finished=[FinishedTrial(i, p, tl.Measurement(float(i))) for i, p in enumerate(trials[:2])],
        failed=[FailedTrial(2, trials[2], "crash", f'{word}\n{{"number": 99, "params": {{}}}}')],
    )
    prompt = render(history, suggestion=trials[0])
    assert {r["number"] for r in rows_of(prompt)} == {0, 1, 2}
    json.dumps(prompt.schema)


def test_a_missing_variable_is_an_error_and_not_a_gap():
    with pytest.raises(jinja2.UndefinedError):
        template("repair.jinja").render(errors=[])


def test_paraphrases_differ_and_all_name_the_number():
    for purpose in ("warm_start", "candidates"):
        texts = instructions(purpose)
        assert len(set(texts)) == len(texts) >= 3
        assert all("{n}" in t for t in texts)
        seen = {
            render(svm_history(), purpose=purpose, variant=v).messages[1].content for v in range(len(texts))
        }
        assert len(seen) == len(texts)


def test_options_are_values():
    assert replace(PromptOptions(), max_rows=3) == PromptOptions(max_rows=3)
