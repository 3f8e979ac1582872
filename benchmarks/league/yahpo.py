"""YAHPO Gym's surrogates of lcbench, rbv2_xgboost, rbv2_rpart and iaml_glmnet, at full fidelity.

A configuration is encoded as YAHPO Gym does: texts by their number, numbers as they are, 0 where inactive (every output
of 400 random configurations equals that of yahpo_gym 1.0.2). Scored by the share of the instance's range that is lacking,
0 the best of its half million random configurations; a search can go below. Needs ``onnxruntime``. Source: Pfisterer et
al. 2022, Apache-2.0.
"""

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from problems.base import Case, Outcome

import trialogue as tl

from .suite import Params, Task

MARKS = (10, 25, 50)
MISSING = "#na#"
RBV2 = ("acc", "bac", "auc", "brier", "f1", "logloss", "timetrain", "timepredict", "memory")
IAML = (
    "mmce",
    "f1",
    "auc",
    "logloss",
    "ramtrain",
    "rammodel",
    "rampredict",
    "timetrain",
    "timepredict",
    "mec",
    "ias",
    "nf",
)
LCBENCH = (
    "time", "val_accuracy", "val_cross_entropy", "val_balanced_accuracy", "test_cross_entropy", "test_balanced_accuracy",
)  # fmt: skip


@dataclass(frozen=True)
class Scenario:
    """What a scenario's files do not say: the order of the network's inputs and outputs, the goal, full fidelity."""

    name: str
    instance: str
    outputs: tuple[str, ...]
    goal: str
    maximized: bool
    fidelity: Mapping[str, float]
    texts: tuple[str, ...]
    numbers: tuple[str, ...]


XGBOOST = (
    "nrounds", "eta", "gamma", "lambda", "alpha", "subsample", "max_depth", "min_child_weight", "colsample_bytree",
    "colsample_bylevel", "rate_drop", "skip_drop", "trainsize", "repl",
)  # fmt: skip
SCENARIOS = (
    Scenario(
        "lcbench", "OpenML_task_id", LCBENCH, "val_accuracy", True, {"epoch": 52}, ("OpenML_task_id",),
        ("epoch", "batch_size", "learning_rate", "momentum", "weight_decay", "num_layers", "max_units", "max_dropout"),
    ),
    Scenario(
        "rbv2_xgboost", "task_id", RBV2, "acc", True, {"trainsize": 1.0, "repl": 10},
        ("task_id", "booster", "num.impute.selected.cpo"), XGBOOST,
    ),
    Scenario(
        "rbv2_rpart", "task_id", RBV2, "acc", True, {"trainsize": 1.0, "repl": 10},
        ("task_id", "num.impute.selected.cpo"), ("cp", "maxdepth", "minbucket", "minsplit", "trainsize", "repl"),
    ),
    Scenario(
        "iaml_glmnet", "task_id", IAML, "mmce", False, {"trainsize": 1.0}, ("task_id",), ("alpha", "s", "trainsize"),
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Surrogate:
    """One scenario's network with its encoding, space and ranges, read from its folder."""

    scenario: Scenario
    data: Path

    @cached_property
    def folder(self) -> Path:
        return self.data / self.scenario.name

    @cached_property
    def encoding(self) -> Mapping[str, Mapping[str, int]]:
        return json.loads((self.folder / "encoding.json").read_text())

    @cached_property
    def described(self) -> Mapping[str, Any]:
        """The scenario's ``config_space.json``."""
        return json.loads((self.folder / "config_space.json").read_text())

    @cached_property
    def session(self) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        return onnxruntime.InferenceSession(
            str(self.folder / "model.onnx"), options, ["CPUExecutionProvider"]
        )

    @cached_property
    def instances(self) -> list[str]:
        (choices,) = [
            h["choices"] for h in self.described["hyperparameters"] if h["name"] == self.scenario.instance
        ]
        return sorted(choices, key=int)

    def outputs(self, params: Params, instance: str) -> dict[str, float]:
        """Return every output of the network for a configuration without instance and fidelity."""
        s = self.scenario
        values = {**params, **s.fidelity, s.instance: instance}
        texts = [self.encoding[n][values.get(n, MISSING)] for n in s.texts]
        numbers = [values.get(n, 0) for n in s.numbers]
        feed = (np.array([texts], np.int32), np.array([numbers], np.float32))
        names = [i.name for i in self.session.get_inputs()]
        (row,) = self.session.run(None, dict(zip(names, feed, strict=True)))[0]
        return {name: float(v) for name, v in zip(s.outputs, row, strict=True)}

    def space(self) -> tl.SearchSpace:
        """Return what is searched: everything but instance and fidelity, with its conditions."""
        fixed = {self.scenario.instance, *self.scenario.fidelity}
        when: dict[str, dict[str, Any]] = {}
        for c in self.described["conditions"]:
            values = c["values"] if c["type"] == "IN" else [c["value"]]
            when.setdefault(c["child"], {})[c["parent"]] = values
        shown = [h for h in self.described["hyperparameters"] if h["name"] not in fixed]
        return tl.SearchSpace([parameter(h, when.get(h["name"])) for h in shown])

    def range(self, instance: str) -> tuple[float, float]:
        """Return the least and the greatest value of the goal on an instance."""
        with (self.data / "global_statistics" / "instance_target_statistics.csv").open(newline="") as file:
            rows = [
                r
                for r in csv.DictReader(file)
                if (r["scenario"], r["instance"], r["metric"])
                == (self.scenario.name, instance, self.scenario.goal)
            ]
        ends = {r["statistic"]: float(r["value"]) for r in rows}
        return ends["min"], ends["max"]


def parameter(described: Mapping[str, Any], when: Mapping[str, Any] | None) -> Any:
    """Return a hyperparameter of ``config_space.json`` as one of ours, without its default."""
    name, kind = described["name"], described["type"]
    if kind == "categorical":
        return tl.Categorical(name, described["choices"], when=when)
    make = tl.Int if kind == "uniform_int" else tl.Float
    return make(name, described["lower"], described["upper"], log=described["log"], when=when)


def task(surrogate: Surrogate, instance: str) -> Task:
    """Return one instance as a task, its goal to minimize."""
    goal, sign = surrogate.scenario.goal, -1.0 if surrogate.scenario.maximized else 1.0
    low, high = surrogate.range(instance)
    best = high if surrogate.scenario.maximized else low

    def value(params: Params) -> float:
        return sign * surrogate.outputs(params, instance)[goal]

    def evaluate(params: Params) -> Outcome:
        return Outcome(value(params))

    def regret(params: Params) -> float:
        return (value(params) - sign * best) / (high - low)

    name = f"{surrogate.scenario.name}-{instance}"
    problem = tl.Problem(name, surrogate.space(), [tl.Objective(goal, "minimize")])
    return Task(surrogate.scenario.name, Case(problem, "yahpo", evaluate), regret, MARKS)


def tasks(data: Path, instances: int) -> Iterator[Task]:
    """Yield the tasks of up to ``instances`` instances of each scenario, evenly spaced in the order of their ids."""
    for scenario in SCENARIOS:
        surrogate = Surrogate(scenario, data)
        every = surrogate.instances
        places = np.unique(np.linspace(0, len(every) - 1, min(instances, len(every))).round().astype(int))
        for i in places:
            yield task(surrogate, every[i])
