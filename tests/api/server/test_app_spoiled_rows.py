"""A row of the ledger that was edited by hand, or that another version wrote, spoils itself alone, at every door."""

import re
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from trialogue.agent.errors import StudyUnreadable
from trialogue.agent.ledger import schema
from trialogue.agent.ledger.ledger import Ledger
from trialogue.agent.study.study import Study
from trialogue.agent.verbs.context import Desk
from trialogue.agent.verbs.read import studies
from trialogue.agent.views.across import across
from trialogue.agent.views.as_json import study_lines
from trialogue.api.http.rendering import rendered
from trialogue.evaluators.problems.problem import Problem

PROBLEM = Problem.from_dict(
    {
        "name": "p",
        "space": {
            "parameters": {
                "x": {"type": "float", "low": 0, "high": 1},
                "k": {"type": "categorical", "choices": ["a", "b"]},
            }
        },
        "objectives": [{"name": "y", "direction": "minimize"}],
    }
)
VALUES = (
    "abc", b"\xff\x00", '{"x": NaN, "k": "a"}', 2**62, None, sa.text("CAST(x'ff' AS TEXT)"), "", "null", "[]", "3", "{}",
    '{"x": 7, "k": "a"}', '{"values": [1e999]}', '{"budget": {"trials": "many"}}', '{"engine": {"of": "tomorrow"}}',
    '{"text": "\\ud800"}', "[" * 20_000, -1, 0.5, sa.text("9e999"),
)  # fmt: skip
FEW = 4
"""Of these values, where it must be quick."""
OF_STUDY = [c.name for c in schema.studies.c if c.name not in ("study_id", "name")]
OF_TRIAL = [c.name for c in schema.trials.c if c.name not in ("study_id", "trial_id", "key")]


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    made = Ledger()
    study = Study(PROBLEM, name="sound", storage=made, strategy="random")
    study.tell(study.ask(), 0.5)
    return made


def spoil(ledger: Ledger, table: sa.Table, column: str, value: Any) -> bool:
    """Make a study anew and spoil one column of its row, or of its best trial's; return whether the database lets one."""
    if ledger.has("spoiled"):
        ledger.delete("spoiled")
    study = Study(PROBLEM, name="spoiled", storage=ledger, strategy="random")
    for result in (0.25, 0.75):
        study.tell(study.ask(), result)
    study.tell(study.ask(), failed="no")
    study.ask()
    study.enqueue({"x": 0.5, "k": "b"})
    mine = table.c.study_id == study.stored.study_id
    if table is schema.trials:
        mine &= table.c.number == 0
    try:
        change_column(
            ledger, table.name, column, value, str(mine.compile(compile_kwargs={"literal_binds": True}))
        )
    except (sa.exc.IntegrityError, OverflowError):
        return False
    return True


def change_column(ledger: Ledger, table: str, column: str, value: Any, where: str) -> None:
    stated = value.text if isinstance(value, sa.TextClause) else ":value"
    with ledger.database.write() as connection:
        change = sa.text(f"UPDATE {table} SET {column} = {stated} WHERE {where}")
        connection.execute(change, {} if stated != ":value" else {"value": value})


def looks(client: TestClient, name: str) -> list[str]:
    paths: dict[str, Any] = client.get("/openapi.json").json()["paths"]
    read = [path for path, how in paths.items() if "get" in how and "{study_name}" in path]
    filled = [
        path.replace("{study_name}", name).replace("{figure}", "history")
        for path in read
        if not path.endswith("/events")
    ]
    return [re.sub(r"{\w+}", "0", path) for path in filled]


def check_lists(ledger: Ledger, what: object) -> dict[str, Any]:
    """Read every list; return the line of the spoiled study."""
    found: dict[str, Any] = {}
    for lines, _ in (across(ledger), study_lines(ledger)):
        found = {line["name"]: line for line in lines}
        assert found["sound"]["best"]["values"] == [0.5], what
        assert found["sound"]["unreadable"] is None
        assert "spoiled" in found, what
        rendered(lines)
    told = studies(Desk(ledger, None)).text
    assert "sound" in told
    assert "spoiled" in told
    return found["spoiled"]


def check_study(ledger: Ledger, column: str, value: Any) -> bool:
    """Spoil a study's row and read every list; return whether it is said to be unreadable."""
    if not spoil(ledger, schema.studies, column, value):
        return False
    line = check_lists(ledger, (column, value))
    if line["state"] != "unreadable":
        return False
    assert column in line["unreadable"]
    with pytest.raises(StudyUnreadable, match=r"spoiled.*cannot be read.*delete the study"):
        Study.load("spoiled", storage=ledger)
    return True


def check_trial(ledger: Ledger, column: str, value: Any) -> None:
    """Spoil a trial's row; read every list, the study's page and its history, and ask for the next trial."""
    if not spoil(ledger, schema.trials, column, value):
        return
    check_lists(ledger, (column, value))
    study = Study.load("spoiled", storage=ledger, reap=False)
    trials, total = ledger.page(study.stored)
    assert len(trials) == total == 4
    for trial in trials:
        assert trial.source != "unreadable" or (
            trial.params == {} and "cannot be read" in (trial.excluded or "")
        )
    assert study.best_trial.value in (0.25, 0.75)
    study.ask()


@pytest.mark.parametrize("column", OF_STUDY)
def test_a_spoiled_study_stands_in_every_list_with_its_reason(ledger: Ledger, column: str) -> None:
    assert any([check_study(ledger, column, value) for value in VALUES[:FEW]])


@pytest.mark.parametrize("column", OF_TRIAL)
def test_a_spoiled_trial_stands_in_its_study_with_its_reason(ledger: Ledger, column: str) -> None:
    for value in VALUES[:FEW]:
        check_trial(ledger, column, value)


@pytest.mark.slow
def test_whatever_stands_in_a_row_the_lists_are_read(ledger: Ledger) -> None:
    for value in VALUES[FEW:]:
        for column in OF_STUDY:
            check_study(ledger, column, value)
        for column in OF_TRIAL:
            check_trial(ledger, column, value)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("table", "column"), [(schema.studies, c) for c in OF_STUDY] + [(schema.trials, c) for c in OF_TRIAL]
)
def test_no_spoiled_row_breaks_a_route(
    client: TestClient, ledger: Ledger, table: sa.Table, column: str
) -> None:
    for value in VALUES[:FEW]:
        if not spoil(ledger, table, column, value):
            continue
        about = (table.name, column, value)
        for path in looks(client, "spoiled"):
            answer = client.get(path)
            assert answer.status_code < 500, (about, path, answer.text[:300])
        for verb, body in (
            ("ask", {}),
            ("trials/1/tell", {"failed": "x"}),
            ("trials/0/exclude", {"reason": "r"}),
            ("reap", {}),
        ):
            answer = client.post(f"/v1/studies/spoiled/{verb}", json=body)
            assert answer.status_code < 500, (about, verb, answer.text[:300])
        for path in ("/v1/studies", "/v1/across"):
            assert client.get(path).status_code == 200, about
        assert client.delete("/v1/studies/spoiled").status_code == 204, about


def test_a_name_that_cannot_be_read_spoils_no_list(ledger: Ledger) -> None:
    for i, value in enumerate((b"\xff", sa.text("CAST(x'ff' AS TEXT)"), 7.5)):
        study = Study(PROBLEM, name=f"named {i}", storage=ledger, strategy="random")
        change_column(ledger, "trialogue_studies", "name", value, f"study_id = {study.stored.study_id}")
        for lines, _ in (across(ledger), study_lines(ledger)):
            assert "sound" in [line["name"] for line in lines]
