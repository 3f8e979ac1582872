"""What a row of the ledger holds is what was put into it."""

import json

from contracts.results import Results, results, typed
from hypothesis import given, settings

from trialogue.agent.ledger.records import ending_from_json, ending_to_json
from trialogue.evaluators.problems.problem import Problem


@settings(max_examples=100, deadline=None)
@given(results())
def test_problems_and_results_survive_json(study: Results) -> None:
    problem, rows = study
    again = Problem.from_dict(json.loads(json.dumps(problem.to_dict())))
    assert again == problem
    for params, found in rows:
        kept = json.loads(json.dumps(params))
        assert typed(again.space.validate(kept)) == typed(params)
        assert again.space.key(kept) == problem.space.key(params)
        ending = ending_from_json("finished", json.dumps(ending_to_json(found)))
        assert ending == found
        for part in ("values", "sem", "constraints", "metrics", "seconds", "cost"):
            assert typed(getattr(ending, part)) == typed(getattr(found, part)), part
