"""What every ledger must do, whatever database it stands on. A subclass gives ``ledger``, empty."""

import threading

import pytest
from contracts.study import problem, space

import trialogue as tl
from trialogue.agent.contracts import CallRecord
from trialogue.agent.errors import StudyMismatch, StudyNotFound, TrialNotFound
from trialogue.agent.ledger.leases import remote_lease
from trialogue.agent.ledger.ledger import Ledger
from trialogue.agent.ledger.records import Failure
from trialogue.agent.study.study import Study
from trialogue.agent.views.overview import overviews
from trialogue.serving.errors import InvalidInput


class LedgerContract:
    """Subclasses define the fixture ``ledger``."""

    def test_a_study_is_found_again_as_it_was_created(self, ledger: Ledger) -> None:
        created = ledger.create("a", problem(), seed=3, config={"budget": {"trials": 5}})
        found = ledger.find("a")
        assert found == created
        assert (found.problem, found.seed, found.config) == (problem(), 3, {"budget": {"trials": 5}})
        with pytest.raises(StudyMismatch):
            ledger.create("a", problem(), seed=3)
        with pytest.raises(StudyNotFound):
            ledger.find("b")

    def test_studies_do_not_see_each_other(self, ledger: Ledger) -> None:
        one, two = (Study(problem(), name=name, storage=ledger, strategy="random") for name in ("a", "b"))
        one.tell(one.ask(), 1.0)
        assert two.ask().number == 0
        assert [e.kind for e in two.events()] == ["created", "asked"]
        assert [t.state for t in one.trials] == ["finished"]

    def test_a_list_of_studies_says_how_each_stands(self, ledger: Ledger) -> None:
        study = Study(problem(), name="a", storage=ledger, strategy="random")
        Study(problem(), name="empty", storage=ledger)
        trials = study.ask(n=4)
        study.tell(trials[0], 0.5)
        study.tell(trials[1], 0.9)
        study.tell(trials[2], failed="no")
        study.exclude(1, reason="bad node")
        lines = {line.name: line for line in overviews(ledger)}
        line = lines["a"]
        assert (line.trials, line.counts.excluded) == (4, 1)
        assert line.counts.states == {"finished": 2, "failed": 1, "running": 1}
        assert line.best == study.best_trial
        assert (lines["empty"].trials, lines["empty"].best) == (0, None)

    def test_a_line_of_several_objectives_says_how_long_the_front_is(self, ledger: Ledger) -> None:
        two = tl.Problem("two", space(), [tl.Objective("gain", "maximize"), tl.Objective("cost")])
        study = Study(two, storage=ledger, strategy="random")
        for values in ([1.0, 1.0], [2.0, 2.0], [1.0, 3.0], [2.0, 2.0]):
            study.tell(study.ask(), values)
        (line,) = overviews(ledger)
        assert (line.best, line.front) == (None, (0, 1, 3))
        study.exclude(0, reason="odd")
        assert overviews(ledger)[0].front == tuple(t.number for t in study.pareto_front) == (1, 3)

    def test_trials_are_read_in_pages(self, ledger: Ledger) -> None:
        study = Study(problem(), name="a", storage=ledger, strategy="random")
        study.add_many([({"kernel": "linear", "C": float(i + 1)}, float(i)) for i in range(25)])
        study.ask()
        stored = study.stored
        page, total = ledger.page(stored, limit=10, offset=20, order="number")
        assert ([t.number for t in page], total) == ([20, 21, 22, 23, 24, 25], 26)
        best, total = ledger.page(stored, state="finished", order="-value", limit=2)
        assert ([t.value for t in best], total) == ([24.0, 23.0], 25)
        assert ledger.page(stored, source="random")[1] == 1
        assert [r.number for r in ledger.records(stored, batch=7)] == list(range(26))

    def test_a_deleted_study_leaves_nothing(self, ledger: Ledger) -> None:
        study = Study(problem(), name="a", storage=ledger, strategy="random")
        study.tell(study.ask(), 1.0)
        study.ask()
        ledger.delete("a")
        assert overviews(ledger) == []
        again = Study(problem(), name="a", storage=ledger, strategy="random")
        assert again.trials == ()
        assert again.ask().number == 0
        with pytest.raises(StudyNotFound):
            study.ask()
        with pytest.raises(StudyNotFound):
            ledger.delete("b")

    def test_many_results_are_recorded_or_none(self, ledger: Ledger) -> None:
        study = Study(problem(), name="a", storage=ledger, strategy="random")
        good = {"kernel": "linear", "C": 1.0}
        with pytest.raises(tl.TrialogueError, match="row 1"):
            study.add_many([(good, 1.0), ({"kernel": "cubic", "C": 1.0}, 1.0)])
        assert study.trials == ()
        assert study.add_many([(good, 1.0), (good, 2.0)]) == [0, 1]
        assert [t.replicate for t in study.trials] == [0, 1]
        assert study.add_many([]) == []

    def test_threads_share_a_ledger_and_a_study(self, ledger: Ledger) -> None:
        study = Study(problem(), name="a", storage=ledger, strategy="random")
        handed: list[tuple[int, str]] = []

        def work() -> None:
            for _ in range(6):
                trial = study.ask()
                handed.append((trial.number, space().key(trial.params)))
                study.tell(trial, 1.0)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(number for number, _ in handed) == list(range(24))
        assert {n: space().key(study.trial(n).params) for n, _ in handed} == dict(handed)
        assert len({key for _, key in handed}) == 24

    def test_any_text_can_be_stored_and_any_number_asked_for(self, ledger: Ledger) -> None:
        nasty = "nul \0, half a pair \ud800, quote ' \" ; DROP TABLE trials; --\n\N{PILE OF POO}"
        study = Study(problem(), name="a", storage=ledger, strategy="random")
        study.enqueue({"kernel": "linear", "C": 1.0}, reason=nasty, source=nasty)
        trial = study.ask(lease=remote_lease(nasty))
        study.tell(trial, failed=nasty)
        study.exclude(trial.number, reason=nasty)
        study.remark(nasty)
        study.record_calls([CallRecord(nasty, "chat", nasty, "ok", detail=nasty)])
        again = Study.load("a", storage=ledger)
        assert again.trials[0].failure == Failure("crash", nasty)
        assert again.trials[0].excluded == nasty.replace("\0", "\ufffd").replace("\ud800", "?")
        assert study.events()[-1].data == {"text": nasty}
        for number in (10**30, -1):
            with pytest.raises(TrialNotFound):
                study.tell(number, 1.0)
        assert study.events(10**30) == ()
        assert ledger.page(study.stored, offset=10**30)[0] == []
        with pytest.raises(StudyNotFound):
            ledger.find(nasty)
        with pytest.raises(InvalidInput):
            ledger.create("\0", problem(), seed=0)
