from trialogue.serving.endpoints.abilities import Abilities


def test_what_was_learnt_survives_as_text():
    learnt = Abilities(frozenset({"seed", "n"}), stop_thinking=True)
    assert Abilities.read(learnt.to_text()) == learnt
    assert Abilities().to_text() == ""
    for odd in ("", "{", "[]", '{"refused": 3}', '{"refused": ["messages"]}'):
        assert Abilities.read(odd) == Abilities()


def test_what_two_requests_learn_at_once_is_joined():
    first, second = Abilities(frozenset({"n"})), Abilities(frozenset({"seed"}), stop_thinking=True)
    assert first.joined(second) == second.joined(first) == Abilities(frozenset({"n", "seed"}), True)
