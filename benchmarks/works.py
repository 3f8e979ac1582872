"""The founding works, row by row: the claim of a paper, what this product's own code measures of it, and whether it holds.

    python benchmarks/works.py [ROW ...]

Each row takes at most a minute of one core. A claim that fails is printed as such. The doors of the rows are in
``docs/works.md``. Measurements stand in ``works/``.
"""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from works import (
    beliefs,
    changes,
    designs,
    gradients,
    halving,
    histories,
    language,
    noise,
    protocols,
    proxies,
    robust,
    selection,
    subsets,
    surrogates,
    training,
    transfers,
    trees,
    unseen,
)


@dataclass(frozen=True)
class Work:
    """A row, by number or word: the paper, its door, its claim, and what measures it: words and whether the claim holds."""

    row: int | str
    title: str
    door: str
    claim: str
    measure: Callable[[], tuple[str, bool]]


WORKS = (
    Work(
        1,
        "LLAMBO",
        'strategy = "llambo" | "llambo:generative"',
        "a model that learns in its context finds better in few trials than random search, by either surrogate",
        language.llambo,
    ),
    Work(
        5,
        "DeepArchitect",
        'tl.Tree, strategy = "mcts" | "mcts:surrogate"',
        "tree search, alone or on a surrogate, finds better architectures in as many evaluations than random search",
        trees.searched,
    ),
    Work(
        18,
        "weighted least squares with DPP and volume sampling",
        'design = "dpp" | "volume"',
        "nearer to the best approximation than independent points of the optimal density, and unbiased",
        designs.determinantal,
    ),
    Work(
        17,
        "l_p sensitivity sampling",
        'coreset = "sensitivity"',
        "keeps |Ax|_p for all x better than as many uniform rows do, where few rows matter",
        subsets.sensitivity,
    ),
    Work(
        14,
        "MIG",
        'planner: history = "mig"',
        "rows chosen by information gain teach more than as many random ones",
        histories.information_gain,
    ),
    Work(
        15,
        "Diversify and conquer",
        'planner: history = "diverse"',
        "refined cluster weights teach more than random rows, and than clusters drawn evenly",
        histories.refined_clusters,
    ),
    Work(
        16,
        "RS2",
        'planner: history = "random"',
        "fresh random subsets teach more in as many rounds than one subset kept",
        histories.fresh_subsets,
    ),
    Work(
        16,
        "RS2 in training",
        'sklearn = { …, subsets = "fresh" }, fidelity = 0.05',
        "a fresh subset in each epoch trains better in as many epochs than one subset kept",
        training.fresh_epochs,
    ),
    Work(
        24,
        "Equitable sampling",
        "[groups], OverGroups, target:equitable-sampling",
        "a budget over groups by estimated learning curves beats even and proportional splits",
        training.groups,
    ),
    Work(
        23,
        "GVM-RAFT",
        'replicates = "variance"',
        "an estimate over noisy candidates has less variance than by even allocation of the same budget",
        noise.allocation,
    ),
    Work(
        10,
        "Power Scheduler",
        "tl.PowerSchedule",
        "tuned once, it stays near the best rate when batch size and number of tokens change",
        training.power_schedule,
    ),
    Work(
        27,
        "Blockwise bilevel optimization",
        "tl.bilevel",
        "fewer steps with more blocks and with more rows per step, and no Hessian inverse",
        gradients.blockwise,
    ),
    Work(
        26,
        "Self-Tuning Networks",
        'strategy = "stn"',
        "hyperparameters tuned in one training end ahead of the best fixed ones",
        gradients.self_tuned,
    ),
    Work(
        28,
        "sharpDARTS",
        'strategy = "differentiable"',
        "what one training with Max-W weights chooses is better than what softmax weights choose",
        gradients.weights_of_choices,
    ),
    Work(
        3,
        "BNN surrogates",
        "surrogate:sghmc, surrogate:infinite-network",
        "chains of stochastic-gradient HMC agree, and the infinite network is ahead of the GP in high dimensions",
        surrogates.networks,
    ),
    Work(
        22,
        "Exact inductive bias",
        "trialogue compare --bias",
        "bits are recovered where known, and the space with the fewest is the surrogate that predicts best",
        surrogates.inductive_bias,
    ),
    Work(
        20,
        "Intrinsic dimension",
        "subspace = d, trialogue dimension STUDY.toml",
        "d90 is near the number of parameters that matter, far below their number",
        surrogates.intrinsic_dimension,
    ),
    Work(
        6,
        "Population Based Training",
        'strategy = "pbt"',
        "exploiting and exploring during training beats the same random trainings left alone",
        training.population,
    ),
    Work(
        12,
        "GenQREnsemble",
        'planner: instructions = "ensemble" | "fusion"',
        "several paraphrases in one round find better than one, fusion ranks what they agree on first",
        histories.paraphrases,
    ),
    Work(
        19,
        "OptCS",
        'planner: referee = "conformal"',
        "the model is chosen on the same data, and false discoveries stay below the rate, with more power than one model",
        selection.conformal,
    ),
    Work(
        21,
        "AriEL",
        'design = "ariel", strategy = "random:ariel"',
        "random points of the cube find more of what is coded as volumes than of what is coded as points",
        trees.volumes,
    ),
)

PROTOCOLS = (
    Work(
        7,
        "Hyperparameters in reinforcement learning",
        "seeds = { tuning = [...], test = [...] }",
        "tuned on one seed, a winner's score is flattered; on several seeds less, and the winner is better on unseen ones",
        protocols.seeds,
    ),
    Work(
        44,
        "Hitchhiker's guide to preference optimization",
        'choose = "robust"',
        "a winner chosen by what is around it is better than the best measured one when it is run slightly elsewhere",
        protocols.robust,
    ),
    Work(
        49,
        "A hack for long text",
        'only = ["..."]',
        "tuned group after group, a study gets as far in as many trials as one that searches all at once",
        protocols.gradual,
    ),
    Work(
        46,
        "Interpolation and extrapolation; prior cases with time (47)",
        'split = "similarity" | "time"',
        "a model is worse on what is unlike its training data, and another one may be the best there",
        unseen.splits,
    ),
    Work(
        8,
        "Continual learning: a reality check",
        "data = { tuning = [...], test = [...] }",
        "tuned and evaluated on the same data, a winner is flattered; on other data of the scenario it shows",
        unseen.phases,
    ),
    Work(
        51,
        "DATED",
        "trialogue export --card",
        "what a data card says of diversity goes with what a model trained on the data knows of the whole space",
        unseen.cards,
    ),
    Work(
        41,
        "Model soups",
        "trialogue soup, study.soup()",
        "the greedy mean of a study's best checkpoints is better on test images than the best of them",
        unseen.soups,
    ),
    Work(
        25,
        "neuralike",
        'proxy = { accuracy = 0.05 }, strategy = "genetic"',
        "a network in the evaluator's place saves calls at the stated error, and the best found is as good",
        proxies.learnt,
    ),
    Work(
        13,
        "Learning to Actively Learn",
        "training/minimax.py",
        "a policy trained on the worst gap to the best policy of each class has a smaller worst gap than one of the mean",
        robust.worst_class,
    ),
)

BESIDE = (
    Work(
        "beliefs",
        "piBO",
        "prior = { mean, sd }",
        "a right belief finds better sooner, and a wrong one is unlearnt",
        beliefs.priors,
    ),
    Work(
        "halving",
        "Hyperband, ASHA, BOHB",
        'strategy = "asha" | "hyperband", [fidelity]',
        "the same effort finds better than whole trainings do, and a model's configurations better than random ones",
        halving.ladders,
    ),
    Work(
        "transfer",
        "multi-task Gaussian process",
        "transfer = [...] of [engine]",
        "a study alike finds better sooner, and one that misleads is unlearnt: at most 0.05 is lost in the end",
        transfers.multitask,
    ),
    Work(
        "changes",
        "few changes",
        "study.changes(), report, /compare",
        "the parameters that matter are named, the others are not, and the gain stays",
        changes.few,
    ),
)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("rows", nargs="*", help="Rows to measure; all without any.")
    rows = parser.parse_args().rows
    for work in (*WORKS, *PROTOCOLS, *BESIDE):
        if rows and str(work.row) not in rows:
            continue
        started = time.process_time()
        words, holds = work.measure()
        verdict = "holds" if holds else "DOES NOT HOLD"
        print(f"| {work.row} {work.title} | `{work.door}` | {work.claim} | {words} | {verdict} |", end="")
        print(f" {time.process_time() - started:.0f} s |", flush=True)


if __name__ == "__main__":
    main()
