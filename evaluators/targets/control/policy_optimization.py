"""Proximal policy optimization of a small control task: whose data are the seeds, and the tasks by name.

Notation: γ discount · λ of the advantage estimate · r the ratio of new to old probability of an action · A its advantage.
Limited by clipping, min(r A, clip(r, 1 ± c) A), or by a penalty on the divergence from the old policy, as in Schulman et al.
2017 (arXiv 1707.06347); advantages as in Schulman et al. 2016 (arXiv 1506.02438). What is tuned and how its winners are
tested is from the study on tuning in reinforcement learning that ``target`` names: seeds to tune on, others to report on.
``run.data`` names the task: ``pole`` (the default), ``pendulum``, ``catch``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ...errors import EvaluationFailed
from ...problems.measurement import Measurement
from ...problems.problem import Objective, Problem
from ...programs.run import Run
from ...spaces.parameters import Categorical, Float, Int
from ...spaces.space import SearchSpace
from ..digits import adam
from ..networks import batches, generator, mlp
from ..target import Evidence, GalleryTarget, SourceClaim
from .tasks import TASKS, ControlTask, Episodes

STEPS, ROLLOUT, SIDE_BY_SIDE, WIDTH, TESTED = 16_384, 64, 16, 32, 64
CONFIGURATIONS, SEEDS, SHARE = 12, 5, 0.4
"""Of the check, which trains shorter so that it ends within a minute."""


def target() -> GalleryTarget:
    """Return the target ``policy-optimization``."""
    space = SearchSpace(
        [
            Float("lr", 1e-5, 0.1, log=True, default=3e-4, description="learning rate of Adam"),
            Categorical("schedule", ["constant", "linear"], default="constant", description="of the learning rate, to 0"),
            Categorical("batch", [128, 256, 512], default=128, ordered=True, unit="steps", description="in one update"),
            Int("epochs", 1, 16, log=True, default=8, unit="epochs", description="over the 1,024 steps last played"),
            Float("discount", 0.9, 0.999, default=0.99, description="γ, of later rewards"),
            Float("gae_lambda", 0.8, 0.9999, default=0.95, description="λ: 0 believes the critic, 1 what was played"),
            Categorical("limit", ["clip", "penalty"], default="clip", description="what keeps the policy near the old one"),
            Float("clip", 0.01, 0.5, log=True, default=0.2, when={"limit": "clip"}, description="of the ratio"),
            Float("penalty", 0.01, 10.0, log=True, default=1.0, when={"limit": "penalty"}, description="per nat of divergence"),
            Float("entropy", 1e-5, 0.3, log=True, default=1e-3, description="weight of the policy's entropy"),
        ]
    )  # fmt: skip
    problem = Problem(
        "policy-optimization",
        space,
        [
            Objective(
                "score", "maximize", description="of 64 greedy episodes: 0 at the task's worst, 1 at its best"
            )
        ],
        description="Train an agent by PPO for 16,384 steps on a small control task, to score well on any seed.",
        context={"steps": STEPS, "network": f"one hidden layer of {WIDTH}", "data": ", ".join(TASKS)},
    )
    return GalleryTarget(
        problem,
        evaluate,
        "control",
        "Eimer et al. 2023, Hyperparameters in Reinforcement Learning and How To Tune Them, arXiv 2306.01324",
        region={"clip": (0.1, 0.3), "gae_lambda": (0.9, 0.98)},
        claim=SourceClaim(
            "A configuration tuned on one seed is flattered by it; one tuned on three scores better on seeds not tuned on.",
            check,
        ),
        seconds=2.0,
        low_fidelity=0.25,
    )


@dataclass(frozen=True)
class Rollout:
    """What was played: observations (n, k), actions, their log-probabilities, advantages and returns (n,) each."""

    seen: Tensor
    actions: Tensor
    logits: Tensor
    advantages: Tensor
    returns: Tensor


class Agent:
    """Actor and critic, and how they learn. Everything random comes from its seed."""

    def __init__(self, task: ControlTask, params: Mapping[str, Any], seed: int) -> None:
        self._params, self.stream = params, generator(seed)
        self._rng = np.random.default_rng([seed, 7])
        self.actor = mlp([task.sees, WIDTH, task.actions], self.stream, activation=nn.Tanh)
        self.critic = mlp([task.sees, WIDTH, 1], self.stream, activation=nn.Tanh)
        with torch.no_grad():
            list(self.actor.parameters())[-2].mul_(0.01)  # nearly uniform at the start
        self.optimizer = adam([*self.actor.parameters(), *self.critic.parameters()], params["lr"])

    def play(self, episodes: Episodes) -> Rollout:
        """Play ``ROLLOUT`` steps of all episodes."""
        steps: list[tuple[NDArray[Any], ...]] = []
        for _ in range(ROLLOUT):
            observations = episodes.seen
            with torch.no_grad():
                logits = self.actor(torch.from_numpy(observations).float()).numpy()
            actions = (logits + self._rng.gumbel(size=logits.shape)).argmax(1)
            steps.append((observations, actions, logits, *episodes.step(actions)))
        observations, actions, logits, after, rewards, ended, over = (
            np.stack(part) for part in zip(*steps, strict=True)
        )
        with torch.no_grad():
            values, ahead = (
                self.critic(torch.from_numpy(x).float())[..., 0].numpy() for x in (observations, after)
            )
        advantages = estimate(
            rewards,
            values,
            ahead,
            ended,
            over,
            discount=self._params["discount"],
            decay=self._params["gae_lambda"],
        )

        def flat(x: NDArray[Any]) -> Tensor:
            return torch.from_numpy(x.reshape(-1, *x.shape[2:]))

        returns = flat(advantages + values).float()
        return Rollout(
            flat(observations).float(), flat(actions), flat(logits), flat(advantages).float(), returns
        )

    def learn(self, played: Rollout, left: float) -> None:
        """Update on what was played; ``left``: the share of the training that is."""
        p = self._params
        for group in self.optimizer.param_groups:
            group["lr"] = p["lr"] * (left if p["schedule"] == "linear" else 1.0)
        for _ in range(p["epochs"]):
            for rows in batches(len(played.actions), p["batch"], self.stream):
                self.optimizer.zero_grad()
                self.loss(played, rows).backward()
                self.optimizer.step()

    def loss(self, played: Rollout, rows: Tensor) -> Tensor:
        """Return the loss on some of the steps: limited advantage, entropy, and the critic's error."""
        p, advantage = self._params, played.advantages[rows]
        new = self.actor(played.seen[rows]).log_softmax(1)
        old = played.logits[rows].log_softmax(1)
        advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
        actions = played.actions[rows, None]
        ratio = (new - old).gather(1, actions)[:, 0].clamp(max=20.0).exp()
        if p["limit"] == "clip":
            clipped = ratio.clamp(1 - p["clip"], 1 + p["clip"])
            gain = torch.minimum(ratio * advantage, clipped * advantage).mean()
        else:
            gain = (ratio * advantage).mean() - p["penalty"] * (old.exp() * (old - new)).sum(1).mean()
        entropy = -(new.exp() * new).sum(1).mean()
        error = (self.critic(played.seen[rows])[:, 0] - played.returns[rows]).square().mean()
        return -gain - p["entropy"] * entropy + 0.5 * error

    def test(self, task: ControlTask, seed: int) -> float:
        """Return the score of the greedy policy."""
        episodes = Episodes(task, TESTED, np.random.default_rng([seed, 1_000_003]))
        first, done = np.zeros(TESTED), np.zeros(TESTED, bool)
        for _ in range(task.horizon):
            with torch.no_grad():
                actions = self.actor(torch.from_numpy(episodes.seen).float()).argmax(1).numpy()
            _, rewards, _, over = episodes.step(actions)
            first += np.where(done, 0.0, rewards)
            done |= over
            if done.all():
                break
        return task.score(float(first.mean()))


def estimate(
    rewards: NDArray[Any],
    values: NDArray[Any],
    ahead: NDArray[Any],
    ended: NDArray[np.bool_],
    over: NDArray[np.bool_],
    *,
    discount: float,
    decay: float,
) -> NDArray[Any]:
    """Return generalized advantages, all arrays (steps, episodes): what is ahead counts unless the episode ended in
    itself, later steps count until it is over."""
    surprise = rewards + discount * ahead * ~ended - values
    advantages = np.zeros_like(surprise)
    later = np.zeros(surprise.shape[1])
    for t in range(len(surprise) - 1, -1, -1):
        later = surprise[t] + discount * decay * later * ~over[t]
        advantages[t] = later
    return advantages


def evaluate(params: Mapping[str, Any], run: Run) -> Measurement:
    """Return the score of the greedy policy after the training; what training episodes returned is reported."""
    name = run.data or "pole"
    if name not in TASKS:
        raise EvaluationFailed(
            f"the data of this target are {', '.join(TASKS)}, got {name!r}.", kind="invalid"
        )
    task = TASKS[name]
    agent, episodes = (
        Agent(task, params, run.seed),
        Episodes(task, SIDE_BY_SIDE, np.random.default_rng([run.seed, 5])),
    )
    updates = max(2, round(STEPS / (ROLLOUT * SIDE_BY_SIDE) * run.fidelity))
    for update in range(updates):
        agent.learn(agent.play(episodes), 1 - update / updates)
        if episodes.returns and run.report(update, task.score(float(np.mean(episodes.returns[-20:])))):
            break
    return Measurement(agent.test(task, run.seed))


def check() -> Evidence:
    """Score random configurations on five seeds; tune on each seed, and on each three, and look at the seeds left."""
    import itertools

    configurations = target().problem.space.sample(np.random.default_rng(0), CONFIGURATIONS)
    scores = np.array(
        [[evaluate(p, Run(seed=s, fidelity=SHARE)).value for s in range(SEEDS)] for p in configurations]
    )
    rewards: dict[int, NDArray[Any]] = {}
    for n in (1, 3):
        pairs = []
        for tuning in itertools.combinations(range(SEEDS), n):
            means = scores[:, list(tuning)].mean(1)
            left = [s for s in range(SEEDS) if s not in tuning]
            pairs.append((means.max(), scores[means.argmax(), left].mean()))
        rewards[n] = np.mean(pairs, axis=0)
    one, three = rewards[1], rewards[3]
    words = f"tuned on one seed {one[0]:.2f}, on others {one[1]:.2f}; tuned on three {three[0]:.2f}, on others {three[1]:.2f}"
    return Evidence(words, bool(one[0] > one[1] and three[1] > one[1]))
