"""Which parameters matter: Optuna's PED-ANOVA on a study's results, which also holds for conditional spaces.

Source: Watanabe et al. 2023, "PED-ANOVA", IJCAI. Works on an in-memory copy, so the ledger is not touched.
"""

import warnings

import optuna

from .view import StudyView

FEWEST = 8
"""Results below which a share would be chance: PED-ANOVA compares the best tenth with all."""


def importances(view: StudyView, objective: int = 0) -> dict[str, float] | None:
    """Return the share of each parameter, largest first; None with too few or constant results."""
    rows = view.counted
    if len(rows) < FEWEST or len({row.values[objective] for row in rows}) < 2:
        return None
    distributions = view.problem.space.distributions()
    trials = [
        optuna.create_trial(
            params=dict(row.params),
            distributions={name: distributions[name] for name in row.params},
            value=float(-view.problem.signs[objective] * row.values[objective]),
        )
        for row in rows
    ]
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = optuna.create_study(storage=None)
        study.add_trials(trials)
        return _evaluated(study)
    finally:
        optuna.logging.set_verbosity(level)


def _evaluated(study: optuna.Study) -> dict[str, float]:
    evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a rarely active parameter is judged on few trials
        return optuna.importance.get_param_importances(study, evaluator=evaluator)
