import pytest

from trialogue.serving.endpoints.abilities import ARGUMENTS, Abilities
from trialogue.serving.endpoints.chat import ChatMessage, ChatRequest
from trialogue.serving.endpoints.requests import options_for, sent

FULL = ChatRequest(
    (ChatMessage("system", "be brief"), ChatMessage("user", "hello")),
    n=2,
    schema={"type": "object"},
    temperature=0.5,
    top_p=0.9,
    seed=1,
    top_logprobs=3,
)


@pytest.mark.parametrize(
    "name", sorted({"system", *ARGUMENTS} - {"max_tokens", "max_completion_tokens", "thinking"})
)
def test_what_is_refused_is_left_out_and_nothing_else(name):
    everything = sent(options_for("m", FULL, Abilities()))
    less = sent(options_for("m", FULL, Abilities(frozenset({name}))))
    assert everything - less == {name}
    assert less < everything


def test_the_limit_of_tokens_has_two_names_and_is_left_out_when_both_are_refused():
    assert options_for("m", FULL, Abilities(frozenset({"max_tokens"})))["max_completion_tokens"] == 2048
    both = options_for("m", FULL, Abilities(frozenset({"max_tokens", "max_completion_tokens"})))
    assert not {"max_tokens", "max_completion_tokens"} & both.keys()


def test_the_system_s_words_go_to_the_user_where_there_is_no_such_role():
    messages = options_for("m", FULL, Abilities(frozenset({"system"})))["messages"]
    assert messages == [{"role": "user", "content": "be brief\n\nhello"}]
