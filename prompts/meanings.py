"""What a parameter means, in one word of a closed set: how the embedded model is told about names.

The knowledge base finds the fact behind a name (``knowledge.matched``); a fact has one word here, shared by the
families that mean the same by it. Names that say nothing, and facts without a word, stay unknown.
Knows nothing of trials and of tokens: the words' tokens are ``number_dialect.py``'s.
"""

import numpy as np

from ..evaluators.problems.problem import Problem
from .knowledge import Fact, Match, matched, useful_ranges, usual_configuration
from .number_dialect import Meanings

BY_NAME = {
    "learning_rate": "learning_rate", "learning_rate_init": "learning_rate", "eta": "learning_rate", "eta0": "learning_rate",
    "matrix_lr": "matrix_learning_rate", "embedding_lr": "embedding_learning_rate", "power_t": "rate_decay",
    "warmup_ratio": "warmup", "warmup_steps": "warmup", "momentum": "momentum", "beta1": "beta1", "beta2": "beta2",
    "eps": "stabilizer", "weight_decay": "weight_decay", "dropout": "dropout", "lora_dropout": "dropout",
    "label_smoothing": "label_smoothing", "grad_clip": "gradient_clip", "batch_size": "batch_size", "epochs": "epochs",
    "hidden_size": "hidden_size", "hidden_layer_sizes": "hidden_size", "num_layers": "n_layers", "n_layer": "n_layers",
    "depth": "n_layers", "lora_r": "adapter_rank", "lora_alpha": "adapter_scale", "optimizer": "optimizer",
    "solver": "optimizer", "lr_scheduler_type": "schedule", "scheduler": "schedule", "activation": "activation",
    "n_estimators": "n_estimators", "max_iter": "n_iterations", "max_depth": "tree_depth", "num_leaves": "tree_leaves",
    "max_leaf_nodes": "tree_leaves", "min_samples_split": "split_size", "min_samples_leaf": "leaf_size",
    "min_child_samples": "leaf_size", "min_weight_fraction_leaf": "leaf_share", "min_child_weight": "leaf_weight",
    "min_impurity_decrease": "least_gain", "ccp_alpha": "pruning", "max_features": "feature_share",
    "feature_fraction": "feature_share", "colsample_bytree": "feature_share", "colsample_bylevel": "level_feature_share",
    "max_samples": "sample_share", "subsample": "sample_share", "bagging_fraction": "sample_share",
    "bagging_freq": "bagging_frequency", "max_bin": "bins", "max_bins": "bins", "bootstrap": "bootstrap",
    "criterion": "criterion", "splitter": "splitter", "class_weight": "class_weight", "tree_method": "tree_method",
    "booster": "booster", "reg_lambda": "l2_penalty", "lambda_l2": "l2_penalty", "l2_regularization": "l2_penalty",
    "reg_alpha": "l1_penalty", "lambda_l1": "l1_penalty", "alpha": "penalty", "penalty": "penalty_kind",
    "l1_ratio": "l1_share", "C": "inverse_penalty", "gamma": "kernel_width", "kernel": "kernel", "degree": "degree",
    "coef0": "kernel_offset", "epsilon": "tube_width", "tol": "tolerance", "shrinking": "shrinking",
    "n_neighbors": "n_neighbors", "weights": "neighbour_weights", "p": "distance_power", "metric": "metric",
    "max_num_seqs": "running_requests", "max_num_batched_tokens": "tokens_per_step",
    "gpu_memory_utilization": "memory_share", "enable_prefix_caching": "prefix_cache",
    "enable_chunked_prefill": "chunked_prefill", "tensor_parallel_size": "tensor_parallel",
    "pipeline_parallel_size": "pipeline_parallel", "block_size": "block_size", "max_model_len": "context_length",
    "kv_cache_dtype": "cache_type", "swap_space": "swap_space", "async_scheduling": "async_scheduling", "dtype": "dtype",
}  # fmt: skip
"""The word of each fact, by the name that the knowledge base knows it under."""
BY_FAMILY = {("XGBoost", "gamma"): "least_gain"}
"""Where one name means something else in one family."""
WORDS = tuple(dict.fromkeys([*BY_NAME.values(), *BY_FAMILY.values()]))
"""The closed set, in the order of their tokens: new words are appended."""


def meanings_of(problem: Problem) -> Meanings | None:
    """Return words, usual values and useful ranges of the problem's parameters; None where nothing is known."""
    match = matched(problem)
    if match is None:
        return None
    space = problem.space
    words = tuple(_word(match, match.facts.get(name)) for name in space.names)
    has_word = np.array([word != "" for word in words])
    values = np.full((3, len(space)), np.nan)
    X, active = space.encode([usual_configuration(problem, match)])
    values[0] = np.where(active[0] & has_word, X[0], np.nan)
    ranges = useful_ranges(problem)
    if ranges is not None:
        values[1:] = np.where(has_word, ranges, np.nan)
    return Meanings(words, values)


def _word(match: Match, fact: Fact | None) -> str:
    for name, family_fact in match.family.parameters.items():
        if family_fact is fact:
            return BY_FAMILY.get((match.family.name, name), BY_NAME.get(name, ""))
    return ""
