import pytest

from trialogue.api.doctor.planner import check_skill, shown_prompt
from trialogue.serving.scripted.behaviours import garbage, nearest_neighbour
from trialogue.serving.scripted.server import ScriptedServer


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TRIALOGUE_CACHE", str(tmp_path))
    return tmp_path


def test_a_good_model_passes_and_its_result_is_kept(cache):
    with ScriptedServer(nearest_neighbour) as server:
        findings = list(check_skill(server.url, 10.0))
    assert {f.state for f in findings} == {"ok"}, findings
    assert len(list(cache.glob("selftests/*.json"))) == 1


def test_a_broken_model_is_noted_with_what_follows():
    with ScriptedServer(garbage) as server:
        findings = {f.subject: f for f in check_skill(server.url, 10.0)}
    assert findings["obeys the schema"].state == "note"
    assert "less trust" in findings["obeys the schema"].cure


def test_the_prompt_is_shown_as_it_is_sent():
    with ScriptedServer(nearest_neighbour) as server:
        list(check_skill(server.url, 10.0))
        sent = server.requests[0]["messages"]
        shown = shown_prompt(f"{server.url}#scripted")
    assert sent[0]["content"] in shown
    assert '"number": 9' in shown
    assert "learning_rate" in shown_prompt(None)
