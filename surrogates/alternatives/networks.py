"""Neural surrogates: deep kernel, deep ensemble, linearised Laplace, Hamiltonian Monte Carlo with whole and with
stochastic gradients. All small, all in float64.

One network: two hidden layers of ``WIDTH`` tanh units on the embedded rows. Trained on all rows at once, with initial
weights from the given generator, under the process-wide lock with one thread.

Notation: as in prepared.py · w flat weights (k,). Source: Li et al. 2024, "A study of Bayesian neural network
surrogates". Smaller than there: its HMC has three layers of 128 units and keeps 500 samples after as many, its ensembles
are ten networks, each on four fifths of the rows; ours see all rows and differ by what they are pulled back to.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch.func import jacrev, vmap

from ..contracts import TrainingData
from ..models.gp import cholesky, matern
from ..threads import one_torch_thread
from .prepared import Prepared, Standardized, StandardizedPosterior

WIDTH = 20
NOISE = 1e-2
"""Variance of the noise of standardized y where no standard error is known."""


def _tensor(a: np.ndarray) -> torch.Tensor:
    return torch.as_tensor(np.ascontiguousarray(a), dtype=torch.float64)


@dataclass(frozen=True)
class Network:
    """The shapes of a network with p inputs: forward pass and prior as functions of flat weights."""

    p: int
    width: int = WIDTH

    @property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """Rows and columns of each layer's weights, the bias in the last row."""
        return ((self.p + 1, self.width), (self.width + 1, self.width), (self.width + 1, 1))

    @property
    def size(self) -> int:
        """Number of weights."""
        return sum(a * b for a, b in self.shapes)

    def draw(self, rng: np.random.Generator, n: int) -> torch.Tensor:
        """Return n draws from the prior of the weights, (n, size): unit normal in their own units (see
        ``forward``)."""
        return _tensor(rng.standard_normal((n, self.size)))

    def hidden(self, w: torch.Tensor, Z: torch.Tensor) -> torch.Tensor:
        """Return the last hidden layer (n, width)."""
        at, out = 0, (Z - 0.5) * 3.0
        for a, b in self.shapes[:-1]:
            W = w[at : at + a * b].reshape(a, b)
            out, at = torch.tanh((out @ W[:-1]) / (a - 1) ** 0.5 * 1.5 + W[-1]), at + a * b
        return out

    def forward(self, w: torch.Tensor, Z: torch.Tensor) -> torch.Tensor:
        """Return the outputs (n,); weights are scaled so that a unit normal prior gives outputs of about unit
        variance."""
        a, _ = self.shapes[-1]
        last = w[-a:]
        return self.hidden(w, Z) @ last[:-1] / (a - 1) ** 0.5 * 1.7 + last[-1]


def _loss(
    net: Network, w: torch.Tensor, Z: torch.Tensor, z: torch.Tensor, noise: torch.Tensor
) -> torch.Tensor:
    """Return minus the log posterior of the weights."""
    return 0.5 * torch.sum((net.forward(w, Z) - z) ** 2 / noise) + 0.5 * torch.sum(w * w)


def _train(loss: Callable[[torch.Tensor], torch.Tensor], w: torch.Tensor, steps: int) -> torch.Tensor:
    """Minimize the sum of losses over the rows of w by Adam with a falling rate."""
    w = w.clone().requires_grad_(True)
    optimizer = torch.optim.Adam([w], lr=0.05)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 0.05 * (1 - step / steps) + 1e-4
        optimizer.zero_grad()
        loss(w).backward()
        torch.nn.utils.clip_grad_norm_([w], 100.0)
        optimizer.step()
    return w.detach()


def _setup(data: TrainingData) -> tuple[Prepared, Network, torch.Tensor, torch.Tensor, torch.Tensor]:
    prepared = Prepared.of(data)
    noise = np.where(prepared.noise > 0, prepared.noise + 1e-4, NOISE)
    return prepared, Network(prepared.Z.shape[1]), _tensor(prepared.Z), _tensor(prepared.z), _tensor(noise)


def _averaged(net: Network, weights: torch.Tensor) -> Standardized:
    """Return the prediction of an ensemble of weights (s, size)."""

    def predict(A: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        with torch.no_grad():
            each = vmap(net.forward, in_dims=(0, None))(weights, _tensor(A)).numpy()
        return each.mean(axis=0), np.sqrt(each.var(axis=0) + 1e-6)

    return predict


@dataclass(frozen=True)
class DeepEnsembleSurrogate:
    """Networks trained from different draws of the prior, each pulled back to its own draw (randomized anchors)."""

    members: int = 8
    steps: int = 250
    name: str = "deep-ensemble"

    def fit(self, data: TrainingData, rng: np.random.Generator) -> StandardizedPosterior:
        """Return the posterior given the data."""
        with one_torch_thread():
            prepared, net, Z, z, noise = _setup(data)
            anchors = net.draw(rng, self.members)
            errors = _tensor(rng.standard_normal((self.members, len(z)))) * noise.sqrt()

            def loss(w: torch.Tensor) -> torch.Tensor:
                fit = vmap(net.forward, in_dims=(0, None))(w, Z)
                return 0.5 * torch.sum((fit - z - errors) ** 2 / noise) + 0.5 * torch.sum((w - anchors) ** 2)

            return prepared.posterior(_averaged(net, _train(loss, anchors, self.steps)))


@dataclass(frozen=True)
class LaplaceSurrogate:
    """Linearised Laplace: the network at its mode, Gaussian in its weights with the Gauss-Newton curvature."""

    steps: int = 300
    name: str = "laplace"

    def fit(self, data: TrainingData, rng: np.random.Generator) -> StandardizedPosterior:
        """Return the posterior given the data."""
        with one_torch_thread():
            prepared, net, Z, z, noise = _setup(data)
            w = _train(lambda v: _loss(net, v[0], Z, z, noise), net.draw(rng, 1), self.steps)[0]
            jacobian = jacrev(net.forward)
            J = jacobian(w, Z).numpy()
            L, _ = cholesky(J @ J.T + np.diag(noise.numpy()))

        def predict(A: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            with torch.no_grad():
                mean, G = net.forward(w, _tensor(A)).numpy(), jacobian(w, _tensor(A)).numpy()
            variance = np.sum(G * G, axis=1) - np.sum(np.linalg.solve(L, J @ G.T) ** 2, axis=0)
            return mean, np.sqrt(np.maximum(variance, 1e-6))

        return prepared.posterior(predict)


@dataclass(frozen=True)
class DeepKernelSurrogate:
    """A Matérn kernel on what a network makes of the rows; network and kernel by marginal likelihood."""

    steps: int = 120
    features: int = 4
    name: str = "deep-kernel"

    def fit(self, data: TrainingData, rng: np.random.Generator) -> StandardizedPosterior:
        """Return the posterior given the data."""
        with one_torch_thread():
            prepared, net, Z, z, noise = _setup(data)

            def features(w: torch.Tensor, A: torch.Tensor) -> torch.Tensor:
                return torch.cat([net.hidden(w, A)[:, : self.features] * 1.5, (A - 0.5) * 1.5], dim=1)

            def loss(w: torch.Tensor) -> torch.Tensor:
                H = features(w[0], Z)
                R2 = torch.clamp(torch.sum((H[:, None] - H[None]) ** 2, dim=2), min=1e-12)
                r = torch.sqrt(5.0 * R2)
                K = (1 + r + r * r / 3) * torch.exp(-r) + torch.diag(noise + 1e-6)
                L = torch.linalg.cholesky_ex(K)[0]
                v = torch.linalg.solve_triangular(L, z[:, None], upper=False)
                return (
                    0.5 * torch.sum(v * v) + torch.sum(torch.log(torch.diagonal(L))) + 0.5 * torch.sum(w * w)
                )

            w = _train(loss, net.draw(rng, 1), self.steps)[0]
            H = features(w, Z).numpy()

        def covariance(A: np.ndarray, B: np.ndarray) -> np.ndarray:
            return matern(np.sum((A[:, None] - B[None]) ** 2, axis=2))

        L, _ = cholesky(covariance(H, H) + np.diag(noise.numpy()))
        alpha = np.linalg.solve(L.T, np.linalg.solve(L, prepared.z))

        def predict(A: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            with torch.no_grad():
                k = covariance(features(w, _tensor(A)).numpy(), H)
            variance = 1.0 - np.sum(np.linalg.solve(L, k.T) ** 2, axis=0)
            return k @ alpha, np.sqrt(np.maximum(variance, 1e-6))

        return prepared.posterior(predict)


@dataclass(frozen=True)
class HamiltonianSurrogate:
    """Hamiltonian Monte Carlo over the weights of one small network: one short chain, whose convergence is not checked."""

    samples: int = 16
    burn: int = 24
    leaps: int = 12
    name: str = "hmc"

    def fit(self, data: TrainingData, rng: np.random.Generator) -> StandardizedPosterior:
        """Return the posterior given the data."""
        with one_torch_thread():
            prepared, net, Z, z, noise = _setup(data)
            net = Network(net.p, 10)
            energy = lambda w: _loss(net, w, Z, z, noise)  # noqa: E731
            w = _train(lambda v: energy(v[0]), net.draw(rng, 1), 100)[0]
            samples, step = [], 0.02
            for i in range(self.burn + 2 * self.samples):
                w, accepted = _leap(energy, w, step, self.leaps, rng)
                if i < self.burn:
                    step = float(np.clip(step * (1.15 if accepted else 0.75), 1e-4, 0.3))
                elif i % 2:
                    samples.append(w)
            return prepared.posterior(_averaged(net, torch.stack(samples)))


def _leap(
    energy: Callable[[torch.Tensor], torch.Tensor],
    w: torch.Tensor,
    step: float,
    leaps: int,
    rng: np.random.Generator,
) -> tuple[torch.Tensor, bool]:
    """Return the next state of the chain and whether the proposal was accepted."""

    def slope(at: torch.Tensor) -> torch.Tensor:
        at = at.detach().requires_grad_(True)
        return torch.autograd.grad(energy(at), at)[0]

    momentum = _tensor(rng.standard_normal(len(w)))
    before = energy(w) + 0.5 * torch.sum(momentum**2)
    proposal, v = w, momentum - 0.5 * step * slope(w)
    for i in range(leaps):
        proposal = proposal + step * v
        v = v - (step if i < leaps - 1 else 0.5 * step) * slope(proposal)
    after = energy(proposal) + 0.5 * torch.sum(v**2)
    accepted = bool(torch.isfinite(after)) and np.log(max(rng.random(), 1e-300)) < float(before - after)
    return (proposal, True) if accepted else (w, False)


@dataclass(frozen=True)
class StochasticHamiltonianSurrogate:
    """Stochastic-gradient Hamiltonian Monte Carlo: several chains at once, gradients on a part of the rows, no step refused.

    Friction takes out of the momentum what the noise puts in (Chen, Fox & Guestrin 2014, equation 15, with its estimate
    of the gradients' own noise set to 0). ``batch``: rows of a gradient; ``step``: divided by the number of rows, with
    which gradients grow.
    """

    chains: int = 4
    samples: int = 20
    burn: int = 150
    thin: int = 10
    batch: int = 64
    step: float = 1e-2
    friction: float = 0.1
    name: str = "sghmc"

    def fit(self, data: TrainingData, rng: np.random.Generator) -> StandardizedPosterior:
        """Return the posterior given the data."""
        with one_torch_thread():
            prepared, net, states = self.chains_of(data, rng)
            return prepared.posterior(_averaged(net, states.reshape(-1, states.shape[-1])))

    def chains_of(
        self, data: TrainingData, rng: np.random.Generator
    ) -> tuple[Prepared, Network, torch.Tensor]:
        """Return the data, the network, and the kept states (chains, samples, size)."""
        prepared, net, Z, z, noise = _setup(data)
        net = Network(net.p, 10)

        def loss(w: torch.Tensor, rows: np.ndarray | slice = slice(None)) -> torch.Tensor:
            fit = vmap(net.forward, in_dims=(0, None))(w, Z[rows])
            share = len(z) / max(1, len(z[rows]))
            misfit = torch.sum((fit - z[rows]) ** 2 / noise[rows])
            return 0.5 * share * misfit + 0.5 * torch.sum(w * w)

        step = self.step / max(20, len(z))
        w = _train(loss, net.draw(rng, self.chains), 100)
        v, samples = torch.zeros_like(w), []
        for i in range(self.burn + self.thin * self.samples):
            rows = slice(None) if len(z) <= self.batch else rng.choice(len(z), self.batch, replace=False)
            at = w.detach().requires_grad_(True)
            slope = torch.autograd.grad(loss(at, rows), at)[0]
            shock = np.sqrt(2 * self.friction * step) * _tensor(rng.standard_normal(tuple(w.shape)))
            v = (1 - self.friction) * v - step * slope.clamp(-1e3, 1e3) + shock
            w = w + v
            if i >= self.burn and (i - self.burn) % self.thin == self.thin - 1:
                samples.append(w)
        return prepared, net, torch.stack(samples, dim=1)


def potential_scale_reduction(chains: np.ndarray) -> float:
    """Return split R-hat of one quantity in several chains (chains, samples): 1 where they cannot be told apart.

    Source: Gelman et al. 2013, "Bayesian data analysis", section 11.4.
    """
    half = chains.shape[1] // 2
    halves = np.concatenate([chains[:, :half], chains[:, half : 2 * half]])
    within = halves.var(axis=1, ddof=1).mean()
    between = half * halves.mean(axis=1).var(ddof=1)
    return float(np.sqrt(((half - 1) / half * within + between / half) / max(within, 1e-300)))
