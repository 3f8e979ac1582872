import pytest

from trialogue.serving.endpoints.thoughts import without_thoughts

COSTUMES = [
    "<think>{}</think>",
    "<Think>{}</Think>",
    "<thinking>{}</thinking>",
    "<thought>{}</thought>",
    "<reasoning effort='high'>{}</reasoning>",
    "<seed:think>{}</seed:think>",
    "◁think▷{}◁/think▷",
    "[THINK]{}[/THINK]",
    "<|begin_of_thought|>{}<|end_of_thought|>",
    "<|START_THINKING|>{}<|END_THINKING|>",
    "<|channel|>analysis<|message|>{}<|end|><|start|>assistant<|channel|>final<|message|>",
    "<|channel|>analysis<|message|>{}<|end|><|start|>assistant<|channel|>final <|constrain|>json<|message|>",
    "analysis{}assistantfinal",
]


@pytest.mark.parametrize("costume", COSTUMES)
def test_only_what_follows_the_last_thought_is_the_answer(costume):
    thought = costume.format("first a draft, ")
    assert without_thoughts(f"{thought}the answer") == "the answer"
    if not costume.startswith("analysis"):
        assert without_thoughts(f"Well. {thought}a half{thought}the answer") == "the answer"


@pytest.mark.parametrize("costume", COSTUMES[:-1])
def test_a_thought_without_an_end_has_no_answer(costume):
    assert without_thoughts(costume.partition("{}")[0] + "a draft") == ""


def test_a_thought_whose_beginning_stood_in_the_prompt_ends_all_the_same():
    assert without_thoughts("first I look</think>\nthe answer") == "\nthe answer"


@pytest.mark.parametrize(
    "text", ["no thoughts", "analysis of 3 trials: final", "a < b [think] <b>thinking</b>", ""]
)
def test_other_texts_stay_as_they_are(text):
    assert without_thoughts(text) == text
