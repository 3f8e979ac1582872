"""The chat of a study over HTTP: a turn has the rights of who takes it, whoever else talks meanwhile."""

import time
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from contracts.chat_peer import chat_peer
from contracts.served import served
from contracts.study import problem

from trialogue.agent.ledger.ledger import Ledger
from trialogue.agent.study.study import Study
from trialogue.api.service.keys import KeyStore


@pytest.fixture
def ledger() -> Ledger:
    made = Ledger()
    for name in ("mine", "theirs"):
        Study(problem(), name=name, storage=made, strategy="random")
    return made


def test_a_limited_caller_who_waits_for_a_turn_does_not_get_the_next_callers_rights(ledger: Ledger) -> None:
    store = KeyStore(ledger.database)
    boss, limited = store.add("boss", "admin"), store.add("limited", "write", studies=["mine"])
    with (
        chat_peer("Hello.") as peer,
        served("", ledger=ledger, keys=True, chat_model=peer.url) as url,
        ThreadPoolExecutor(4) as pool,
    ):

        def say(key: str, text: str) -> str:
            headers = {"Authorization": f"Bearer {key}"}
            at = f"{url}/v1/studies/mine/chat"
            return httpx2.post(at, json={"text": text}, headers=headers, timeout=30).text

        peer.gate.clear()
        turns = [pool.submit(say, boss, "Hi")]
        until = time.monotonic() + 20
        while not peer.requests and time.monotonic() < until:
            time.sleep(0.01)
        assert peer.requests, "the first turn did not begin"
        for key, line in ((limited, "/fork stolen"), (boss, "/show")):
            turns.append(pool.submit(say, key, line))
            time.sleep(0.5)
        peer.gate.set()
        answers = [turn.result() for turn in turns]
    assert "that of a study you may see" in answers[1]
    assert "stolen" not in answers[2]
    assert not ledger.has("stolen")
