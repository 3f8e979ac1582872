"""Keys over REST: a name that is accepted can be removed again, whatever stands in it."""

from collections.abc import Iterator
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings, strategies as st

from trialogue.agent.ledger.ledger import Ledger
from trialogue.api.server.app import ServerSettings, create_app
from trialogue.api.service.keys import KeyStore

NAMES = [
    "a/b",
    "/",
    "//",
    "a//b",
    "../x",
    "a/../b",
    "%2F",
    "a%00b",
    "a?b#c",
    "ü ∞",
    "a;b=c",
    "\\",
    '"',
    "{name}",
    "a b",
]
REFUSED = ["", " ", ".", "..", "a\x00b", "\x00", "a\nb", "\x7f", "\u202e", "x" * 101]


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    ledger = Ledger()
    root = KeyStore(ledger.database).add("root", "admin")
    app = create_app(ServerSettings("", keys=True, requests_per_minute=10**9), ledger)
    with TestClient(app, base_url="http://127.0.0.1:8765") as made:
        made.headers["Authorization"] = f"Bearer {root}"
        yield made


def names(client: TestClient) -> set[str]:
    return {k["name"] for k in client.get("/v1/keys").json()["items"]}


def goes_round(client: TestClient, name: str) -> bool:
    """Make a key and remove it; return whether the name was accepted."""
    made = client.post("/v1/keys", json={"name": name})
    if made.status_code in (409, 422):
        return False
    assert made.status_code == 201, made.text
    assert name in names(client)
    assert client.delete(f"/v1/keys/{quote(name, safe='')}").status_code == 204
    assert names(client) == {"root"}
    return True


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_is_accepted_can_be_removed(client: TestClient, name: str) -> None:
    assert goes_round(client, name)


@pytest.mark.parametrize("name", REFUSED)
def test_a_name_that_no_path_can_say_is_refused(client: TestClient, name: str) -> None:
    assert not goes_round(client, name)


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=12))
def test_every_name_goes_round_or_is_refused(client: TestClient, name: str) -> None:
    goes_round(client, name)
