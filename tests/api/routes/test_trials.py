"""Asks over a real server: a key's day is one count, whatever the door and however many ask at once."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest
from contracts.served import served
from contracts.study import problem
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from trialogue.agent.ledger.ledger import Ledger
from trialogue.agent.study.study import Study
from trialogue.api.service.keys import KeyStore


class Door:
    """One key with five asks a day, at a real server."""

    def __init__(self, url: str, key: str, ledger: Ledger) -> None:
        self.url, self.ledger = url, ledger
        self.headers = {"Authorization": f"Bearer {key}"}

    def post(self, path: str, body: Any) -> httpx2.Response:
        with httpx2.Client(headers=self.headers, trust_env=False, timeout=60) as http:
            return http.post(f"{self.url}/v1/studies/svm/{path}", json=body)

    def tool(self, name: str, **arguments: Any) -> Any:
        async def call() -> Any:
            http = httpx2.AsyncClient(headers=self.headers, trust_env=False)
            async with http, Client(streamable_http_client(f"{self.url}/mcp/", http_client=http)) as client:
                return await client.call_tool(name, {"study": "svm", **arguments})

        return asyncio.run(call())

    @property
    def used(self) -> int:
        store = KeyStore(self.ledger.database)
        return store.used_today(store.all()[0]).asks

    @property
    def trials(self) -> int:
        return len(Study.load("svm", storage=self.ledger, reap=False).trials)


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    ledger = Ledger(f"sqlite:///{tmp_path}/asks.db")
    Study(problem(), storage=ledger, strategy="random")
    key = KeyStore(ledger.database).add("five", "write", asks_per_day=5)
    with served("", ledger=ledger, keys=True) as url:
        yield Door(url, key, ledger)


def test_of_forty_asks_at_once_five_are_given(door: Door) -> None:
    with ThreadPoolExecutor(20) as pool:
        statuses = list(pool.map(lambda _: door.post("ask", {}).status_code, range(40)))
    assert sorted(statuses) == [200] * 5 + [429] * 35
    assert (door.trials, door.used) == (5, 5)


def test_the_chat_s_asks_are_charged(door: Door) -> None:
    said = door.post("chat", {"text": "/ask 50"}).json()["messages"][-1]
    assert "may ask for 5 trials a day" in said["text"]
    assert (door.trials, door.used) == (0, 0)
    door.post("chat", {"text": "/ask 5"})
    assert (door.trials, door.used) == (5, 5)
    refused = door.post("ask", {})
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) > 0


def test_mcp_s_asks_are_charged_and_give_nothing_back(door: Door) -> None:
    for n in (-1_000, 0, 6, 2**70):
        assert door.tool("ask", n=n).is_error
        assert (door.trials, door.used) == (0, 0)
    assert not door.tool("ask", n=5).is_error
    assert "DailyBudgetSpent" in str(door.tool("ask").content)
    assert (door.trials, door.used) == (5, 5)


def test_a_trial_that_is_not_there_does_not_cost_a_worker_the_others(door: Door) -> None:
    (trial,) = door.post("ask", {"worker": "w"}).json()["trials"]
    beat = door.post("heartbeat", {"worker": "w", "numbers": [trial["number"], 999]})
    assert beat.json()["held"] == [trial["number"]]
    assert "no trial 999" in beat.json()["lost"]["999"]


def test_a_refused_ask_costs_nothing(door: Door) -> None:
    assert door.post("ask", {"fixed": {"no such": 1}}).status_code == 409
    assert door.post("ask", {"n": 6}).status_code == 429
    assert (door.trials, door.used) == (0, 0)
