"""The embedded model as an endpoint: the library's own Llama is the reference, and sampling is exact."""

import json
import shutil

import numpy as np
import pytest

from trialogue.prompts.number_dialect import Dialect
from trialogue.serving.embedded.model import SHIPPED, EmbeddedModel, draw
from trialogue.serving.errors import ServingError


@pytest.fixture(scope="module")
def model() -> EmbeddedModel:
    return EmbeddedModel(exact=True)


def tokens(rows: int, length: int, seed: int = 0) -> np.ndarray:
    most = Dialect.read(SHIPPED).vocabulary
    return np.random.default_rng(seed).integers(1, most, (rows, length))


def test_continuations_of_a_shared_prompt_equal_one_long_pass(model):
    prompts, added = tokens(2, 30), tokens(6, 4, seed=1).reshape(2, 3, 4)
    branch = model.extend(model.read_prompts(prompts), added[:, :, :2])
    branch = model.extend(branch, added[:, :, 2:])
    for e in range(2):
        for k in range(3):
            whole = model.read_prompts(np.r_[prompts[e], added[e, k]][None])
            # float32 sums in another order: a few units in the sixth digit
            np.testing.assert_allclose(branch.log_p[e, k], whole.log_p[0, 0], atol=2e-4)


def test_products_in_bfloat16_change_little(model):
    prompts, added = tokens(2, 60), tokens(6, 4, seed=1).reshape(2, 3, 4)
    fast = EmbeddedModel()  # where the processor has no bfloat16 it is the same
    exact, rounded = (np.exp(m.extend(m.read_prompts(prompts), added).log_p) for m in (model, fast))
    assert (
        np.abs(exact - rounded).sum(-1).max() / 2 < 0.05
    )  # total variation; 0.01 at most on histories, 0.023 on this noise


def test_log_probabilities_are_normalised_and_in_64_bits(model):
    log_p = model.read_prompts(tokens(1, 10)).log_p
    assert log_p.dtype == np.float64
    assert np.exp(log_p).sum() == pytest.approx(1.0, abs=1e-9)


@pytest.mark.slow
def test_the_same_checkpoint_in_transformers_gives_the_same_probabilities(model):
    import torch
    from transformers import LlamaForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    reference = LlamaForCausalLM.from_pretrained(SHIPPED, dtype=torch.float32)
    prompt = tokens(1, 40)
    with torch.no_grad():
        expected = reference(torch.from_numpy(prompt)).logits[0, -1].double().log_softmax(-1).numpy()
    np.testing.assert_allclose(model.read_prompts(prompt).log_p[0, 0], expected, atol=2e-4)


def test_the_shipped_tokenizer_speaks_the_dialect():
    names = Dialect.read(SHIPPED).token_names()
    written = json.loads((SHIPPED / "tokenizer.json").read_text())["model"]["vocab"]
    spoken = {name: i for i, name in enumerate(names) if not name.startswith("<r")}
    unused = {"off", "fail"} - set(written)  # a checkpoint may know less than the dialect
    assert {n: i for n, i in spoken.items() if n not in unused}.items() <= written.items()


def test_the_shipped_checkpoint_is_small():
    assert sum(p.stat().st_size for p in SHIPPED.iterdir()) < 20e6


def test_draws_follow_the_probabilities_and_never_the_impossible():
    p = np.array([0.5, 0.3, 0.2, 0.0])
    with np.errstate(divide="ignore"):
        drawn = draw(np.tile(np.log(p), (20_000, 1)), np.random.default_rng(0))
    # binomial standard error at 20,000 draws is below 0.0036
    np.testing.assert_allclose(np.bincount(drawn, minlength=4) / 20_000, p, atol=0.015)
    assert 3 not in drawn


def test_a_prompt_beyond_the_models_positions_says_what_to_do(model):
    with pytest.raises(ServingError, match="show fewer trials"):
        model.read_prompts(np.ones((1, 2000), int))


def test_a_folder_without_a_checkpoint_is_an_operators_error(tmp_path):
    with pytest.raises(ServingError, match=r"config\.json"):
        EmbeddedModel(tmp_path).read_prompts(np.ones((1, 3), int))


def test_grouped_heads_are_refused(tmp_path):
    shutil.copy(SHIPPED / "config.json", tmp_path)
    raw = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(raw | {"num_key_value_heads": 1}))
    with pytest.raises(ServingError, match="grouped"):
        EmbeddedModel(tmp_path).read_prompts(np.ones((1, 3), int))
