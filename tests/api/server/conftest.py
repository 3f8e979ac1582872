"""A client of a service without limits on a module's own ``ledger``, which answers 500 where the service breaks."""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from trialogue.agent.ledger.ledger import Ledger
from trialogue.api.server.app import ServerSettings, create_app


@pytest.fixture(scope="module")
def client(ledger: Ledger) -> Iterator[TestClient]:
    app = create_app(ServerSettings("", requests_per_minute=10**9), ledger)
    with TestClient(app, base_url="http://127.0.0.1:8765", raise_server_exceptions=False) as made:
        yield made
