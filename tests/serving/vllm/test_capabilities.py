"""What a served model is asked to show, at a server that sends everybody elsewhere."""

import pytest
from contracts.redirecting import redirecting

from trialogue.serving.vllm.capabilities import capabilities


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_never_gets_the_key(status: int) -> None:
    with redirecting(status) as (door, elsewhere):
        found = list(capabilities(f"{door}/v1", "tiny", api_key="secret"))
    assert found
    assert not any(c.shown for c in found)
    assert elsewhere.seen == []
