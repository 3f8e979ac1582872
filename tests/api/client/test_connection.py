"""A key goes to the server it was given for, and to no other that one names."""

import pytest
from contracts.redirecting import redirecting

from trialogue.api.client.connection import Connection
from trialogue.serving.errors import TrialogueError


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    with redirecting(status) as (door, elsewhere):
        connection = Connection(door, "tlg_secret", retry_s=0.1)
        with pytest.raises(TrialogueError):
            connection.call("GET", "v1/studies")
        connection.close()
    assert elsewhere.seen == []
