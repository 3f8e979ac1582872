"""The guard as an ASGI middleware around a tiny application, spoken to through httpx2's ASGI transport."""

import asyncio
from typing import Any

import httpx2
import pytest

from trialogue.api.http.rights import Caller
from trialogue.api.service.guard import (
    MOST_BUCKETS,
    WRONG_KEYS,
    Buckets,
    Guard,
    Limits,
    TokenBucket,
    host_name,
)


async def tiny(scope: Any, receive: Any, send: Any) -> None:
    """Read the whole body and answer with the caller's name."""
    more = True
    while more:
        more = (await receive()).get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["state"]["caller"].name.encode()})


KEYS = {
    "r": Caller("reader", "read"),
    "w": Caller("worker", "write", frozenset({"mine"})),
    "a": Caller("boss", "admin"),
    "slow": Caller("slow", "read", requests_per_minute=2),
}


def call(
    method: str, path: str, *, keys: bool = True, limits: Limits | None = None, **kwargs: Any
) -> httpx2.Response:
    return calls([(method, path, kwargs)], keys=keys, limits=limits)[0]


def calls(
    requests: list[tuple[str, str, dict[str, Any]]], *, keys: bool = True, limits: Limits | None = None
) -> list[httpx2.Response]:
    guard = Guard(
        tiny,
        limits=limits or Limits(),
        lookup=KEYS.get if keys else None,
        path_of=lambda s: s["path"],
        clock=lambda: 0.0,
    )

    async def go() -> list[httpx2.Response]:
        transport = httpx2.ASGITransport(app=guard)  # pyright: ignore[reportArgumentType]
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8765") as client:
            return [await client.request(m, p, **k) for m, p, k in requests]

    return asyncio.run(go())


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.mark.parametrize(
    ("method", "path", "key", "status"),
    [
        ("GET", "/", None, 200),
        ("GET", "/static/main.js", None, 200),
        ("GET", "/health", None, 200),
        ("GET", "/gallery", None, 200),
        ("GET", "/v1/studies", None, 401),
        ("GET", "/metrics", None, 401),
        ("GET", "/staticky", None, 401),
        ("POST", "/mcp", None, 401),
        ("GET", "/v1/studies", "wrong", 401),
        ("GET", "/v1/studies", "r", 200),
    ],
)
def test_only_the_page_and_the_probes_need_no_key(
    method: str, path: str, key: str | None, status: int
) -> None:
    response = call(method, path, headers=bearer(key) if key else {})
    assert response.status_code == status
    if status >= 400:
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["status"] == status


def test_without_keys_the_caller_is_local() -> None:
    assert call("DELETE", "/v1/studies/x", keys=False).text == "local"


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "evil.example:8765", "", "[::1", "user@evil.example"]
)
def test_a_rebound_name_is_refused(host: str) -> None:
    assert call("GET", "/v1/studies", keys=False, headers={"Host": host}).status_code == 421


@pytest.mark.parametrize("host", ["localhost:1", "127.0.0.1", "[::1]:8765", "LOCALHOST"])
def test_a_loopback_name_is_served(host: str) -> None:
    assert call("GET", "/v1/studies", keys=False, headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://127.0.0.1:8765", 200),
        ("https://127.0.0.1:8765", 200),
        ("http://evil.example", 403),
        ("null", 403),
        ("http://127.0.0.1:9999", 403),
    ],
)
def test_another_sites_page_is_refused(origin: str, status: int) -> None:
    assert call("POST", "/v1/studies", keys=False, headers={"Origin": origin}).status_code == status


def test_an_allowed_origin_is_served() -> None:
    limits = Limits(origins=frozenset({"https://lab.example"}))
    headers = {"Origin": "https://lab.example"}
    assert call("GET", "/v1/studies", keys=False, limits=limits, headers=headers).status_code == 200


def test_a_large_body_is_refused_before_it_is_read() -> None:
    limits = Limits(body_bytes=10_000)
    assert call("POST", "/v1/studies", keys=False, limits=limits, content=b"x" * 10_001).status_code == 413
    headers = {"Content-Length": "9" * 5_000}
    assert call("POST", "/v1/studies", keys=False, limits=limits, headers=headers).status_code == 413
    assert call("POST", "/v1/studies", keys=False, limits=limits, content=b"x" * 9_000).status_code == 200


def test_a_malformed_length_is_refused() -> None:
    assert call("POST", "/v1/studies", keys=False, headers={"Content-Length": "-1"}).status_code == 400


def test_a_fast_caller_is_told_when_to_come_back() -> None:
    answers = calls([("GET", "/v1/studies", {"headers": bearer("slow")})] * 3)
    assert [a.status_code for a in answers] == [200, 200, 429]
    assert int(answers[2].headers["retry-after"]) >= 1


def test_a_bucket_refills() -> None:
    now = [0.0]
    bucket = TokenBucket(per_s=2.0, burst=2.0, clock=lambda: now[0])
    assert [bucket.wait_s(), bucket.wait_s()] == [0.0, 0.0]
    assert bucket.wait_s() == pytest.approx(0.5)
    now[0] = 0.5
    assert bucket.wait_s() == 0.0


def test_wrong_keys_meet_a_limit_and_keys_in_use_do_not() -> None:
    guesses = [("GET", "/v1/studies", {"headers": bearer(f"guess-{i}")}) for i in range(WRONG_KEYS + 5)]
    known, fresh = (("GET", "/v1/studies", {"headers": bearer(key)}) for key in ("r", "a"))
    answers = calls([known, *guesses, known, fresh])
    assert [a.status_code for a in answers] == [200, *[401] * WRONG_KEYS, *[429] * 5, 200, 429]
    assert all(int(a.headers["retry-after"]) >= 1 for a in answers if a.status_code == 429)
    assert "unknown keys" in answers[-1].json()["detail"]


def guesses_at_once(addresses: list[str]) -> tuple[list[int], int]:
    """Send a wrong key from each address, all at the same moment; return the answers and how many were looked up."""
    looked_up: list[str] = []

    def lookup(secret: str) -> None:
        looked_up.append(secret)

    guard = Guard(tiny, limits=Limits(), lookup=lookup, path_of=lambda s: s["path"], clock=lambda: 0.0)

    async def one(i: int, address: str) -> int:
        transport = httpx2.ASGITransport(app=guard, client=(address, 1))  # pyright: ignore[reportArgumentType]
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8765") as client:
            return (await client.get("/v1/studies", headers=bearer(f"guess-{i}"))).status_code

    async def go() -> list[int]:
        return await asyncio.gather(*(one(i, address) for i, address in enumerate(addresses)))

    return asyncio.run(go()), len(looked_up)


def test_three_thousand_guesses_cost_thirty_looks() -> None:
    statuses, looks = guesses_at_once(["203.0.113.5"] * 3_000)
    assert looks == WRONG_KEYS
    assert sorted(statuses) == [401] * WRONG_KEYS + [429] * (3_000 - WRONG_KEYS)


def test_one_address_locks_out_no_other() -> None:
    statuses, _ = guesses_at_once([*["203.0.113.5"] * 200, "198.51.100.7"])
    assert statuses[-1] == 401
    of_one_network, _ = guesses_at_once([f"2001:db8:1:2::{i}" for i in range(WRONG_KEYS + 1)])
    assert of_one_network[-1] == 429


def test_right_keys_are_not_counted() -> None:
    answers = calls([("GET", "/v1/studies", {"headers": bearer(k)}) for k in ("r", "a") * (WRONG_KEYS + 5)])
    assert {a.status_code for a in answers} == {200}


def test_what_is_remembered_of_callers_is_bounded() -> None:
    buckets = Buckets(lambda: 0.0)
    for i in range(MOST_BUCKETS + 100):
        buckets.take(f"address {i}", 60)
    assert len(buckets) == MOST_BUCKETS


def test_host_names_are_read_without_port() -> None:
    assert host_name("[::1]:80") == "::1"
    assert host_name("Lab.Example:80") == "lab.example"
