"""MCP with the SDK's own client: in process, over streamable HTTP with keys, and over stdio."""

import asyncio
import json
import logging
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from contracts.served import served
from contracts.study import problem
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from structlog.testing import capture_logs

from trialogue.agent.ledger.ledger import Ledger
from trialogue.agent.study.study import Study
from trialogue.api.mcp.tools import ShortLog, mcp_for
from trialogue.api.server.app import ServerSettings, build_services
from trialogue.api.service.keys import KeyStore

TOML = """[study]
name = "made"
[problem]
objectives = [{ name = "y", direction = "minimize" }]
[parameters.x]
type = "float"
low = 0.0
high = 1.0
"""


def talk(server: Any, work: Callable[[Client], Awaitable[None]]) -> None:
    async def go() -> None:
        async with Client(server) as client:
            await work(client)

    asyncio.run(go())


@pytest.fixture
def ledger() -> Ledger:
    ledger = Ledger()
    Study(problem(), storage=ledger, strategy="random")
    return ledger


def test_an_agent_makes_a_study_asks_tells_and_compares(ledger: Ledger) -> None:
    async def work(client: Client) -> None:
        made = await client.call_tool("create", {"text": TOML})
        assert "made" in made.structured_content["text"]  # pyright: ignore[reportOptionalSubscript]
        asked = await client.call_tool("ask", {"study": "svm", "n": 2, "fixed": {"kernel": "rbf"}})
        first, second = asked.structured_content["data"]  # pyright: ignore[reportOptionalSubscript]
        assert first["params"]["kernel"] == "rbf"
        await client.call_tool("tell", {"study": "svm", "trial": first["number"], "value": 0.9})
        await client.call_tool("fail", {"study": "svm", "trial": second["number"], "reason": "out of memory"})
        best = await client.call_tool("best", {"study": "svm"})
        assert best.structured_content["data"]["values"] == [0.9]  # pyright: ignore[reportOptionalSubscript]
        listed = await client.call_tool("studies", {})
        assert {s["name"] for s in listed.structured_content["data"]} == {"svm", "made"}  # pyright: ignore[reportOptionalSubscript]

    talk(mcp_for(build_services(ServerSettings(""), ledger)), work)


def test_tools_say_what_they_change_and_what_they_take(ledger: Ledger) -> None:
    async def work(client: Client) -> None:
        tools = {t.name: t for t in (await client.list_tools()).tools}
        assert tools["show"].annotations.read_only_hint  # pyright: ignore[reportOptionalMemberAccess]
        assert not tools["ask"].annotations.read_only_hint  # pyright: ignore[reportOptionalMemberAccess]
        assert set(tools["tell"].input_schema["required"]) == {"study", "trial", "value"}
        assert "study" not in tools["studies"].input_schema.get("required", [])
        assert all(t.description for t in tools.values())

    talk(mcp_for(build_services(ServerSettings(""), ledger)), work)


def test_mistakes_are_answered_in_words(ledger: Ledger) -> None:
    async def work(client: Client) -> None:
        for name, arguments, words in (
            ("show", {"study": "nowhere"}, "no study 'nowhere'"),
            ("tell", {"study": "svm", "trial": "x", "value": 1}, "trial"),
            ("enqueue", {"study": "svm", "params": {"C": 1e9}}, "C"),
        ):
            answer = await client.call_tool(name, arguments)
            assert answer.is_error
            assert words in str(answer.content)

    talk(mcp_for(build_services(ServerSettings(""), ledger)), work)


def test_resources_and_prompts(ledger: Ledger) -> None:
    async def work(client: Client) -> None:
        read = await client.read_resource("study://svm")
        assert json.loads(read.contents[0].text)["n_parameters"] == 3  # pyright: ignore[reportAttributeAccessIssue]
        history = await client.read_resource("study://svm/history")
        assert json.loads(history.contents[0].text) == []  # pyright: ignore[reportAttributeAccessIssue]
        prompts = {p.name for p in (await client.list_prompts()).prompts}
        assert prompts == {"review_study", "tune_by_hand", "new_study"}
        text = await client.get_prompt("review_study", {"study": "svm"})
        assert "'svm'" in str(text.messages[0].content)

    talk(mcp_for(build_services(ServerSettings(""), ledger)), work)


def test_over_http_a_key_s_scope_and_studies_hold(ledger: Ledger, tmp_path: Path) -> None:
    ledger = Ledger(f"sqlite:///{tmp_path}/mcp.db")
    for name in ("mine", "other"):
        Study(problem(), name=name, storage=ledger, strategy="random")
    keys = KeyStore(ledger.database)
    reader, writer = keys.add("r", "read", studies=["mine"]), keys.add("w", "write", studies=["mine"])

    async def call(url: str, key: str, tool: str, arguments: dict[str, Any]) -> Any:
        http = httpx2.AsyncClient(headers={"Authorization": f"Bearer {key}"}, trust_env=False)
        async with http, Client(streamable_http_client(f"{url}/mcp/", http_client=http)) as client:
            return await client.call_tool(tool, arguments)

    with served("", ledger=ledger, keys=True) as url:
        assert httpx2.post(f"{url}/mcp/", json={}).status_code == 401
        shown = asyncio.run(call(url, reader, "show", {"study": "mine"}))
        assert not shown.is_error
        assert "scope 'write'" in str(asyncio.run(call(url, reader, "ask", {"study": "mine"})).content)
        assert "no study 'other'" in str(asyncio.run(call(url, writer, "show", {"study": "other"})).content)
        assert not asyncio.run(call(url, writer, "ask", {"study": "mine"})).is_error
        listed = asyncio.run(call(url, writer, "studies", {}))
        assert [s["name"] for s in listed.structured_content["data"]] == ["mine"]
        forked = asyncio.run(call(url, writer, "fork", {"study": "mine", "name": "elsewhere"}))
        assert forked.is_error


@pytest.mark.slow
def test_over_stdio(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/stdio.db"
    Study(problem(), storage=storage, strategy="random")
    command = StdioServerParameters(
        command=sys.executable, args=["-m", "trialogue.api", "mcp", "--storage", storage], cwd=str(tmp_path)
    )

    async def work(client: Client) -> None:
        shown = await client.call_tool("show", {"study": "svm"})
        assert "maximize accuracy" in shown.structured_content["text"]  # pyright: ignore[reportOptionalSubscript]

    talk(command, work)


def test_what_goes_wrong_in_the_sdk_is_logged_in_one_short_line(ledger: Ledger) -> None:
    mcp_for(build_services(ServerSettings(""), ledger))
    theirs = logging.getLogger("mcp")
    assert [type(handler) for handler in theirs.handlers] == [ShortLog]
    assert not theirs.propagate

    def deep(n: int) -> None:
        if n == 0:
            raise RecursionError("deep")
        deep(n - 1)

    with capture_logs() as lines:
        try:
            deep(500)
        except RecursionError:
            logging.getLogger("mcp.shared").exception("x" * 10_000)
    assert [(line["error"], len(line["detail"])) for line in lines] == [("RecursionError", 300)]
