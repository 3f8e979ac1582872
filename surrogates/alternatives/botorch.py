"""BoTorch's Gaussian process behind the Surrogate contract: the field's common model, to compare with and to choose.

The engine's own process (gp.py) is many times faster; see docs/decisions/0004-our-own-gaussian-process.md. Loads torch.

Notation: as in prepared.py.
Sources: Balandat et al. 2020 (BoTorch); Hvarfner et al. 2024 (lengthscale priors scaled with the dimension).
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from botorch.exceptions import ModelFittingError
from botorch.fit import fit_gpytorch_mll
from botorch.models import SingleTaskGP
from botorch.models.utils.gpytorch_modules import get_covar_module_with_dim_scaled_prior
from gpytorch.mlls import ExactMarginalLogLikelihood
from linear_operator.utils.errors import NotPSDError

from ..contracts import TrainingData
from ..threads import one_torch_thread
from .prepared import Prepared, Standardized, StandardizedPosterior

_FLOOR = 1e-6
"""Least variance of the noise of standardized y: measured errors of zero would make the covariance singular."""


@dataclass(frozen=True)
class BotorchSurrogate:
    """`SingleTaskGP`, Matérn-5/2 with a lengthscale per embedded column; noise as measured where every row has it."""

    name: str = "botorch"

    def fit(self, data: TrainingData, rng: np.random.Generator) -> StandardizedPosterior:
        """Return the posterior at the mode of the hyperparameters; at their priors' where the fit does not converge."""
        prepared = Prepared.of(data)
        with one_torch_thread(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = _model(prepared)
            before = {k: v.clone() for k, v in model.state_dict().items()}
            try:
                fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
            except (ModelFittingError, NotPSDError):
                model.load_state_dict(before)
            model.eval()
        return prepared.posterior(_prediction(model))


def _tensor(a: np.ndarray) -> torch.Tensor:
    return torch.as_tensor(np.ascontiguousarray(a), dtype=torch.float64)


def _model(prepared: Prepared) -> SingleTaskGP:
    measured = bool(len(prepared.noise)) and bool((prepared.noise > 0).all())
    noise = _tensor(np.maximum(prepared.noise, _FLOOR))[:, None] if measured else None
    columns = prepared.Z.shape[1]
    kernel = get_covar_module_with_dim_scaled_prior(ard_num_dims=columns, use_rbf_kernel=False)
    return SingleTaskGP(
        _tensor(prepared.Z), _tensor(prepared.z)[:, None], noise, covar_module=kernel, outcome_transform=None
    )


def _prediction(model: Any) -> Standardized:
    def predict(Z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        with one_torch_thread(), warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            posterior = model.posterior(_tensor(Z))
        mean, variance = posterior.mean[:, 0].numpy(), posterior.variance[:, 0].numpy()
        return mean, np.sqrt(np.maximum(variance, 1e-12))

    return predict
