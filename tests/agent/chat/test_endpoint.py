"""The chat's endpoint: its key and the conversation go where the operator said."""

import pytest
from contracts.redirecting import redirecting

from trialogue.agent.chat.endpoint import Endpoint
from trialogue.serving.errors import ServingError


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("stream", [True, False])
def test_a_redirect_is_not_followed(status: int, stream: bool) -> None:
    with redirecting(status) as (door, elsewhere):
        model = Endpoint.at(f"{door}/v1#tiny", api_key="secret", stream=stream).chat_model()
        with pytest.raises(Exception, match=str(status)):
            model.invoke("hello")
        with pytest.raises(ServingError):
            Endpoint.at(f"{door}/v1", api_key="secret")
    assert elsewhere.seen == []
