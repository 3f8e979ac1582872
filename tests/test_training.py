"""The trainer: sequences that speak the dialect, an export that computes the same, a run that can be taken up again."""

import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from trialogue.prompts import number_dialect as nd

TRAINING = Path(__file__).parents[1] / "training"

if not TRAINING.is_dir():  # tests on the installed wheel: training is not part of it
    pytest.skip("training/ is not here", allow_module_level=True)
torch = pytest.importorskip("torch")


@pytest.fixture
def modules(monkeypatch):
    monkeypatch.syspath_prepend(str(TRAINING))
    for name in (
        "functions",
        "model",
        "prior",
        "recorded",
        "train",
    ):  # other tests have modules of these names
        monkeypatch.delitem(sys.modules, name, raising=False)
    import model
    import prior

    torch.manual_seed(0)
    yield prior, model
    for path in TRAINING.glob("*.py"):
        sys.modules.pop(path.stem, None)


@pytest.mark.parametrize("search", [False, True])
@pytest.mark.parametrize("d", [1, 3, 12])
def test_histories_are_sentences_of_the_dialect(modules, d, search):
    prior, _ = modules
    data = prior.histories(16, d, 20, 9, search=search)
    tokens = data["tokens"].numpy()
    assert tokens.shape == (16, 1 + d + 20 * (d + 2))
    assert (tokens[:, 0] == nd.BOS).all()
    trials = tokens[:, 1 + d :].reshape(16, 20, d + 2)
    assert (trials[:, :9, 0] == nd.TRIAL).all()
    assert ((trials[..., 0] == nd.OPTIMUM).sum(1) <= 1).all()
    slots = trials[..., 1:-1]
    off = slots == nd.OFF
    low = nd.X0 + nd.BINS * np.arange(d)
    assert (off | ((slots >= low) & (slots < low + nd.BINS))).all()
    scores = trials[..., -1]
    assert ((scores == nd.FAIL) | ((scores >= nd.Y0) & (scores < nd.Y0 + nd.BINS))).all()


def test_the_best_trial_of_a_history_stands_in_the_bin_of_zero(modules):
    prior, _ = modules
    data = prior.histories(32, 2, 20, 10)
    best = data["y"][:, :10].min(1).values
    assert (best == int(nd.score_bins(np.array([0.0]))[0])).all()


def test_a_search_knows_only_what_it_has_tried(modules):
    prior, _ = modules
    functions = prior.Functions(
        64, 2, torch.full((64,), 3)
    )  # narrow wells: the first found is often not the deepest
    values = prior.pool(functions)[1]
    x, y, failed = prior.searched(functions, 24)
    assert x.shape == (64, 24, 2)
    assert y.shape == failed.shape == (64, 24)
    behind = y.min(1).values - values.min(1).values > 0.1 * values.std(1)
    assert 0.3 < behind.float().mean() < 1


def test_batches_of_one_family_are_of_that_family(modules):
    prior, _ = modules
    weights = torch.zeros(len(prior.FAMILIES))
    weights[4] = 1.0
    assert (prior.histories(8, 2, 12, 5, families=weights)["family"] == 4).all()


@pytest.mark.slow
def test_the_export_computes_what_was_trained(modules, tmp_path):
    from transformers.utils import logging

    from trialogue.serving.embedded.model import EmbeddedModel

    logging.disable_progress_bar()
    prior, model = modules
    trained = model.Model(32, 2, 64, 2, slots=3)
    with torch.no_grad():
        for p in trained.parameters():
            p.add_(0.05 * torch.randn_like(p))
            p.copy_(p.bfloat16().float())
    trained.export(tmp_path)
    tokens = prior.histories(2, 3, 12, 5)["tokens"]
    with torch.no_grad():
        table, head = trained.tables()
        hidden = trained.trunk(torch.nn.functional.embedding(tokens, table))[:, -1]
        expected = (hidden @ head.T).log_softmax(-1).numpy()
    got = EmbeddedModel(tmp_path).read_prompts(tokens.numpy()).log_p[:, 0]
    # the folded tables are rounded to bfloat16: three digits of logits of size one
    np.testing.assert_allclose(got, expected, atol=0.1)


@pytest.mark.slow
def test_a_run_goes_on_where_it_stopped(tmp_path):
    def train(seconds: float) -> str:
        command = [sys.executable, str(TRAINING / "train.py"), "--out", str(tmp_path), "--workers", "1"]
        shape = ["--width", "32", "--heads", "2", "--hidden", "64", "--layers", "1", "--tokens", "256"]
        more = ["--seconds", "600", "--stop-after", str(seconds), "--sync-s", "0.5", "--save-s", "0.1"]
        done = subprocess.run([*command, *shape, *more], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    train(1.0)
    first = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    train(1.0)
    second = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert second["steps"] > first["steps"] > 0
    assert second["elapsed"] > first["elapsed"]
    assert len(second["curve"]) > len(first["curve"])


@pytest.fixture
def tables(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(TRAINING))
    import surfaces

    warnings.simplefilter("ignore")  # models that stop early, as recorded

    drawn = [surfaces.table(1, index) for index in (3, 13, 21)]  # support vectors, a control loop, a server
    surfaces.write(tmp_path / "tables.pt", drawn)
    return torch.load(tmp_path / "tables.pt", weights_only=True)


@pytest.mark.slow
def test_a_recorded_table_is_drawn_again_from_its_seed(tables, monkeypatch):
    monkeypatch.syspath_prepend(str(TRAINING))
    import surfaces

    warnings.simplefilter("ignore")
    again = surfaces.table(1, 3)
    torch.testing.assert_close(tables["y"][0], torch.tensor(again["y"]).float())
    assert surfaces.worth(again["y"])


@pytest.mark.parametrize("search", [False, True])
@pytest.mark.parametrize("named", [True, False])
def test_recorded_histories_are_sentences_of_the_dialect(tables, named, search):
    import recorded

    d = int(tables["d"][0])
    data = recorded.recorded_histories(tables, 8, d, 20, 9, named=named, search=search, drop=0.0)
    words = nd.Dialect(meanings=recorded.WORDS).token_names()
    told = [words[t] for t in data["tokens"][0].tolist()]
    assert (told[1 + d] == "usual") == named
    assert data["tokens"].shape == (8, 1 + d + (23 if named else 20) * (d + 2))
    trials = data["tokens"][:, -20 * (d + 2) :].view(8, 20, d + 2)
    assert (trials[:, :9, 0] == nd.TRIAL).all()
    assert ((trials[..., 0] == nd.OPTIMUM).sum(1) == 1).all()


def test_parameters_that_do_not_exist_are_off_in_recorded_histories(tables):
    import recorded

    d = int(tables["d"][0])  # a support vector machine with a kernel
    assert tables["depth"][0].sum() >= 1
    data = recorded.recorded_histories(tables, 32, d, 20, 9, named=False)
    slots = data["tokens"][:, 1 + d :].view(32, 20, d + 2)[..., 1:-1]
    off = (slots == nd.OFF).float().mean((0, 1))
    assert off[0] == 0  # parents come first
    assert 0 < off.max() < 1
    assert ((data["x"] < 0) == (slots == nd.OFF)).all()


def test_words_that_are_dropped_leave_no_trace(tables):
    import recorded

    d = int(tables["d"][0])
    data = recorded.recorded_histories(tables, 8, d, 20, 9, named=True, drop=1.0)
    introduction = data["tokens"][:, 1 + d : 1 + d + 3 * (d + 2)].view(8, 3, d + 2)
    assert (introduction[..., 1:-1] == nd.OFF).all()
    assert set(data["tokens"][:, 1 : 1 + d].unique().tolist()) <= {nd.NUMERIC, nd.CATEGORICAL}


def test_a_checkpoint_is_taken_up_with_more_words(modules):
    import train

    _, model = modules
    old, new = model.Model(16, 2, 32, 1), model.Model(16, 2, 32, 1, meanings=5)
    new.load_state_dict(train.widened(old.state_dict(), new.tab_in.shape[0]))
    before, after = old.tables()[0], new.tables()[0]
    torch.testing.assert_close(after[: len(before)], before)
    assert (after[len(before) :] - before[nd.NUMERIC]).abs().max() < 0.5


def test_a_policy_of_searches_has_gradients_of_mean_zero_and_learns(monkeypatch) -> None:
    monkeypatch.syspath_prepend(str(TRAINING))
    import minimax

    rng = np.random.default_rng(0)
    policy = minimax.SearchPolicy(rng.normal(size=8))
    _, scores = policy.play(minimax.draw(0.3, 2_000, rng), np.full(2_000, 0.1), rng)
    assert np.all(np.abs(scores.mean(axis=0)) < 4 * scores.std(axis=0) / np.sqrt(2_000))
    monkeypatch.setattr(minimax, "ITERATIONS", 40)
    kinds = minimax.CLASSES["smooth"]
    learnt = minimax.trained([kinds], 0, references=None)
    before, after = (minimax.regrets_of(p, kinds, 300, 1).max() for p in (minimax.SearchPolicy(), learnt))
    assert after < before
    sys.modules.pop("minimax")


def test_the_adversary_goes_to_what_loses_most(monkeypatch) -> None:
    monkeypatch.syspath_prepend(str(TRAINING))
    import minimax

    weights = minimax.tilted(np.array([0.5, 0.5]), np.array([1.0, 0.0]), 0.2)
    assert weights == pytest.approx([1 / (1 + np.exp(-0.2)), 1 / (1 + np.exp(0.2))])
    assert minimax.tilted(weights, np.array([1.0, 0.0]), 0.0) == pytest.approx(weights)
    sys.modules.pop("minimax")
