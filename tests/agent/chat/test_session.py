"""Chat sessions: commands without a model, and a scripted model on the wire that may do the same with approval."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from contracts.chat_peer import ChatPeer, chat_peer
from contracts.study import problem

import trialogue as tl
from trialogue.agent.chat.endpoint import Endpoint, checkpoints_for, system_prompt
from trialogue.agent.chat.messages import Approval, ChatEvent, Message, Pending, Token
from trialogue.agent.chat.model import AgentTalk
from trialogue.agent.chat.session import ChatSession
from trialogue.agent.chat.transcript import Transcript
from trialogue.agent.ledger.ledger import Ledger
from trialogue.agent.study.study import Study
from trialogue.agent.verbs.context import Desk
from trialogue.agent.verbs.read import STUDY_VERBS
from trialogue.api.service.chats import account_of
from trialogue.serving.errors import InvalidInput


@pytest.fixture
def study() -> Study:
    return Study(problem(), storage=Ledger(), strategy="random")


def evaluate(params: dict[str, Any]) -> float:
    return 1 / params["C"]


class Alone:
    """A session with one caller, who has one desk."""

    def __init__(self, made: ChatSession, desk: Desk) -> None:
        self.made, self.desk, self.transcript = made, desk, made.transcript

    def say(self, text: str) -> Iterator[ChatEvent]:
        return self.made.say(text, self.desk)

    def decide(self, decisions: list[Approval]) -> Iterator[ChatEvent]:
        return self.made.decide(decisions, self.desk)

    @property
    def pending(self) -> Any:
        return self.made.pending

    def clear(self) -> None:
        self.made.clear()


def session(study: Study, **options: Any) -> Alone:
    transcript = Transcript(study.ledger.database, study.stored.study_id)
    return Alone(ChatSession(transcript, **options), Desk(study.ledger, study))


def said(events: Any) -> str:
    return "\n".join(e.text for e in events if isinstance(e, Message) and e.role != "user")


# Without a model --------------------------------------------------------------------------------------------------


def test_a_study_can_be_run_by_hand_with_commands_alone(study: Study) -> None:
    chat = session(study)
    assert "| 0   | random" in said(chat.say("/ask"))
    assert "0.5" in said(chat.say("/tell 0 0.5"))
    assert "random" in said(chat.say("/ask 2 kernel=rbf"))
    assert "failed: out of memory, it's full" in said(chat.say("/fail 1 out of memory, it's full"))
    assert "**0.5**" in said(chat.say("/best"))
    assert "maximize accuracy" in said(chat.say("/show"))
    assert "drawn uniformly" in said(chat.say("/explain 0"))
    assert [t.state for t in study.trials] == ["finished", "failed", "running"]


def test_own_points_results_and_exclusions(study: Study) -> None:
    chat = session(study)
    assert "C=2.5" in said(chat.say("/enqueue kernel=linear C=2.5 my favourite"))
    trial = study.ask()
    assert (trial.params, trial.reason) == ({"kernel": "linear", "C": 2.5}, "my favourite")
    assert "trial 1" in said(chat.say("/add 0.9 kernel=linear C=1.5"))
    assert "no longer counts" in said(chat.say("/exclude 1 a bad node"))
    assert study.trials[1].excluded == "a bad node"
    said(chat.say("/restore 1"))
    assert study.best_trial.number == 1


def test_spaces_are_widened_and_constraints_added_by_forking(study: Study) -> None:
    study.add({"kernel": "linear", "C": 1.0}, 0.9)
    chat = session(study)
    assert "forked" in said(chat.say("/widen C high=1e5"))
    assert chat.desk.study.problem.space["C"].high == 1e5
    assert len(chat.desk.study.trials) == 1
    assert "forked" in said(chat.say("/constrain fit_s <= 2"))
    assert chat.desk.study.problem.constraints[0].upper == 2.0
    assert study.problem.space["C"].high == 1e3


def test_an_evaluator_of_the_session_runs_trials_here_and_workers_otherwise(study: Study) -> None:
    chat = session(study)
    assert "Workers may now run 3" in said(chat.say("/run 3"))
    assert study.budget.trials == 3
    assert not study.trials
    chat.desk.evaluate = evaluate
    assert "finished" in said(chat.say("/run 3"))
    assert len(study.trials) == 3
    assert "expected" in said(chat.say("/predict kernel=rbf C=1"))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("/shwo", "Did you mean `/show`"),
        ("/tell x 1", "must be a number"),
        ("/tell 99 1", "no trial 99"),
        ("/exclude 0", "needs reason"),
        ("/trials sideways", "must be one of"),
        ("/enqueue C=1e9", "`C`"),
        ("/show me", "one word too many"),
        ("/widen kernel high=3", "must have bounds"),
        ("hello there", "No chat model is set"),
    ],
)
def test_a_wrong_line_is_answered_with_its_cure(study: Study, line: str, words: str) -> None:
    assert words in said(session(study).say(line))


def test_help_lists_every_command_and_explains_one(study: Study) -> None:
    text = said(session(study).say("/help"))
    assert all(f"/{v.name}" in text for v in STUDY_VERBS)
    assert "/predict NAME=VALUE" in said(session(study).say("/help predict"))


def test_the_transcript_outlives_the_session(study: Study) -> None:
    list(session(study).say("/show"))
    again = session(study)
    assert [m.role for m in again.transcript.newest()] == ["user", "assistant"]
    again.clear()
    assert not again.transcript.newest()


# With a model -----------------------------------------------------------------------------------------------------

Talking = Callable[..., Alone]


def talking(study: Study, peer: ChatPeer, *, stream: bool = True, **options: Any) -> Alone:
    desk = Desk(study.ledger, study, evaluate=evaluate)
    endpoint = Endpoint.at(peer.url, stream=stream)
    checkpoints = checkpoints_for(study.ledger.url)
    talk = AgentTalk(
        endpoint.chat_model(),
        STUDY_VERBS,
        model_name=endpoint.name,
        system_prompt=system_prompt(study),
        account=account_of(study),
        checkpoints=checkpoints.saver,
        thread="t",
    )
    made = Alone(
        ChatSession(Transcript(study.ledger.database, study.stored.study_id), talk=talk, **options), desk
    )
    made.close = checkpoints.close  # pyright: ignore[reportAttributeAccessIssue]
    return made


def pending(events: list[ChatEvent]) -> tuple[Any, ...]:
    return next((e.pending for e in events if isinstance(e, Pending)), ())


def test_a_model_looks_with_tools_and_answers_in_pieces(study: Study) -> None:
    study.add({"kernel": "linear", "C": 1.0}, 0.9)
    with chat_peer(("show", {}), "The best accuracy is 0.9, in trial 0.") as peer:
        events = list(talking(study, peer).say("How does it stand?"))
    assert "".join(e.text for e in events if isinstance(e, Token)).startswith("The best accuracy")
    assert [e.role for e in events if isinstance(e, Message)] == ["user", "tool", "assistant"]
    assert "trial 0" in said(events)
    tool_result = peer.requests[1]["messages"][-1]
    assert tool_result["role"] == "tool"
    assert "0.9" in tool_result["content"]
    assert "maximize accuracy" in peer.requests[0]["messages"][0]["content"]


def test_nothing_is_run_before_it_is_approved(study: Study) -> None:
    with chat_peer(("run", {"n": 2}), "Two trials ran.") as peer:
        chat = talking(study, peer)
        events = list(chat.say("Run two trials"))
        assert [(r.verb, r.arguments) for r in pending(events)] == [("run", {"n": 2})]
        assert not study.trials
        events = list(chat.decide([Approval("approve")]))
    assert len(study.trials) == 2
    assert "Two trials ran." in said(events)


def test_a_request_can_be_edited_or_rejected_by_commands(study: Study) -> None:
    with chat_peer(
        ("run", {"n": 50}), "Done.", ("exclude", {"trial": 0, "reason": "odd"}), "As you wish."
    ) as peer:
        chat = talking(study, peer)
        list(chat.say("Run many"))
        assert "Done." in said(chat.say("/edit n=1"))
        assert len(study.trials) == 1
        list(chat.say("Drop the first"))
        assert "As you wish." in said(chat.say("/no it is a good one"))
    assert study.trials[0].excluded is None
    assert "it is a good one" in str(peer.requests[-1]["messages"])


def test_yes_to_all_skips_approval(study: Study) -> None:
    with chat_peer(("run", {"n": 1}), "Done.") as peer:
        assert "Done." in said(talking(study, peer, auto_approve=True).say("Run one"))
    assert len(study.trials) == 1


def test_an_open_request_survives_a_restart(tmp_path: Path) -> None:
    survives_a_restart(f"sqlite:///{tmp_path}/chat.db")


@pytest.mark.postgres
@pytest.mark.slow
def test_an_open_request_survives_a_restart_on_postgres(postgres_url: str) -> None:
    ledger = Ledger(postgres_url)
    if ledger.has("svm"):
        ledger.delete("svm")
    survives_a_restart(postgres_url)
    study = Study.load("svm", storage=ledger)
    with chat_peer("Hello.") as peer:
        chat = talking(study, peer)
        chat.clear()
        assert "Hello." in said(chat.say("And now?"))
        assert len(peer.requests[0]["messages"]) == 2  # the system's words and these: the rest is forgotten
        chat.close()  # pyright: ignore[reportAttributeAccessIssue]


def survives_a_restart(url: str) -> None:
    with chat_peer(("run", {"n": 1}), "Done after the restart.") as peer:
        first = talking(Study(problem(), storage=url, strategy="random"), peer)
        list(first.say("Run one"))
        first.close()  # pyright: ignore[reportAttributeAccessIssue]
        study = Study.load("svm", storage=url)
        second = talking(study, peer)
        assert [r.verb for r in second.pending] == ["run"]
        assert "after the restart" in said(second.decide([Approval("approve")]))
        second.close()  # pyright: ignore[reportAttributeAccessIssue]
    assert len(study.trials) == 1


def test_tokens_go_through_the_study_s_ledger_and_budget(study: Study) -> None:
    study.budget = tl.Budget(tokens=150)
    with chat_peer("One.", "Two.", "Three.") as peer:
        chat = talking(study, peer)
        assert "One." in said(chat.say("a"))
        assert study.spent.tokens == 107
        assert "Two." in said(chat.say("b"))
        assert "token budget is spent" in said(chat.say("c"))
    assert study.spent.tokens == 214
    assert len(peer.requests) == 2


def test_a_wrong_tool_call_goes_back_to_the_model(study: Study) -> None:
    with chat_peer(
        ("explain", {"trial": 7}), ("explain", {"trial": "seven"}), "There is no such trial."
    ) as peer:
        assert "no such trial" in said(talking(study, peer).say("Explain trial 7"))
    assert "TrialNotFound" in str(peer.requests[1]["messages"][-1])


def test_a_model_that_goes_in_circles_is_stopped(study: Study) -> None:
    with chat_peer(*[("show", {})] * 60) as peer:
        list(talking(study, peer).say("Look again and again"))
        assert len(peer.requests) <= 14


@pytest.mark.parametrize("stream", [True, False])
def test_a_model_that_fails_leaves_a_useful_session(study: Study, stream: bool) -> None:
    with chat_peer(500, 500, 500, 500) as peer:
        chat = talking(study, peer, stream=stream)
        assert "did not answer" in said(chat.say("Hello"))
        assert "maximize accuracy" in said(chat.say("/show"))


def test_the_model_is_told_which_commands_were_run_meanwhile(study: Study) -> None:
    with chat_peer("I see.") as peer:
        chat = talking(study, peer)
        list(chat.say("/add 0.9 kernel=linear C=1.5"))
        list(chat.say("What happened?"))
    assert "/add 0.9" in peer.requests[0]["messages"][-1]["content"]


def test_deciding_needs_something_that_waits(study: Study) -> None:
    with pytest.raises(InvalidInput, match="Nothing waits"):
        list(session(study).decide([Approval("approve")]))


# Callers with different rights ------------------------------------------------------------------------------------


def test_what_one_caller_asked_for_is_done_with_the_rights_of_the_one_who_approves_it(
    study: Study,
) -> None:
    mine = Desk(study.ledger, study, may_see=lambda name: name == "mine")
    everything = Desk(study.ledger, study)
    with chat_peer(*(("fork", {"name": "theirs"}), "So be it.") * 2) as peer:
        shared = talking(study, peer).made
        list(shared.say("Fork into theirs", everything))
        refused = said(shared.decide([Approval("approve")], mine))
        assert "that of a study you may see" in refused
        assert not study.ledger.has("theirs")
        list(shared.say("Fork into theirs", mine))
        assert "was forked" in said(shared.decide([Approval("approve")], everything))
        assert study.ledger.has("theirs")
