"""The search space of a vLLM server: catalogue, installed version, model and machine in, ``SearchSpace`` out.

Defaults are what the installed version resolves for this model on this device, and what the servers' environment says.
Choices that cannot fit (longer than the model, more devices or threads than there are, weights or a KV cache beyond the
memory) are left out before anything is started. Beyond the catalogue, every flag and environment variable that the
installed version knows is accepted with choices of one's own.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from math import inf
from typing import Any

from ...serving.vllm.catalogue import (
    CPU_BLOCK_SIZES,
    KNOBS,
    LOSSY,
    PLUMBING,
    Knob,
    Value,
    is_variable,
    known_to,
)
from ...serving.vllm.installed import Installed
from ..engines.useful import say_single, sufficient
from ..errors import InvalidSpecification
from ..spaces.parameters import Categorical
from ..spaces.space import SearchSpace
from .memory import Machine, ModelFacts, weights_fit


def vllm_space(
    installed: Installed,
    resolved: Mapping[str, Any],  # Any: JSON of vLLM's resolved default configuration
    machine: Machine,
    *,
    model: ModelFacts | None = None,
    lossy: bool = False,
    more: Collection[str] = (),
    only: Collection[str] = (),
    ranges: Mapping[str, Sequence[Value]] | None = None,
    fixed: Collection[str] = (),
    useful: Mapping[str, float] | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> SearchSpace:
    """Return the space. ``only``: just these knobs; ``more``: beyond the core ("all"); ``ranges``: own choices; ``fixed``:
    flags that hold for every configuration; ``useful``: by knob the most that the load can use of it. Raises
    InvalidSpecification; what is left out for its size is said."""
    own = dict(ranges or {})
    names = [*dict.fromkeys((*only, *own))]
    catalogued = known_to(installed.flags, machine.device, lossy=lossy, more=[*more, *names])
    knobs = [k for k in catalogued if not only or k.name in names]
    knobs += [_asked_for(n, own.get(n, ()), installed) for n in names if n not in {k.name for k in knobs}]
    if not lossy:
        _refuse_lossy(knobs)
    most = useful or {}
    defaults = {k.name: _default(k, installed, resolved) for k in (*KNOBS, *knobs)}
    fitting = {k.name: _fitting(k, own.get(k.name, ()), machine, model, most) for k in knobs}
    candidates = [_parameter(k, defaults[k.name], fitting[k.name]) for k in knobs]
    parameters = [p for p in candidates if len(p.choices) > 1]
    say_single(candidates, names, say)
    if not parameters:
        raise InvalidSpecification("No knob has two values that fit this machine; name some with `--knob`.")
    relation, words = weights_fit(parameters, defaults, machine, model, fixed)
    if words:
        say(words)
    relations = _relations({p.name for p in parameters}, machine.devices)
    return SearchSpace(parameters, where=[*relations, relation] if relation else relations)


def _refuse_lossy(knobs: Sequence[Knob]) -> None:
    refused = [k.name for k in knobs if k.name in LOSSY]
    if refused:
        raise InvalidSpecification(
            f"A knob that may change answers needs `--lossy`, which guards them, got {refused[0]!r}."
        )


def _asked_for(name: str, choices: Sequence[Value], installed: Installed) -> Knob:
    """Return a knob that is not in the catalogue for this device; raises InvalidSpecification."""
    if name in PLUMBING:
        raise InvalidSpecification(
            f"`--knob` must name what can be tuned, got {name!r}, which the tuner sets itself; leave it out."
        )
    if not installed.has(name):
        close = installed.nearest(name)
        meant = f"did you mean {close!r}?" if close else "`vllm serve --help=all` lists its flags."
        raise InvalidSpecification(f"Unknown knob {name!r}: the installed vLLM does not know it; {meant}")
    flag = installed.flags.get(name)
    options = tuple(choices) or (flag.choices if flag else ())
    if len(options) < 2:
        raise InvalidSpecification(
            f"The knob {name!r} needs choices, because none are catalogued for this device, got {list(options)!r}; "
            f"such as `--knob {name}=1,2`."
        )
    numeric = all(isinstance(c, int | float) and not isinstance(c, bool) for c in options)
    words = flag.description[:200] if flag else ""
    return Knob(name, options, words, ordered=numeric, variable=is_variable(name))


def _relations(names: Collection[str], devices: int) -> list[str]:
    """Return what must hold among these knobs."""
    pair = {"max_num_seqs", "max_num_batched_tokens"}
    parallel = [
        n for n in ("tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size") if n in names
    ]
    where = ["max_num_seqs <= max_num_batched_tokens"] if pair <= {*names} else []
    return [*where, f"{' * '.join(parallel)} <= {devices}"] if len(parallel) > 1 else where


def _default(knob: Knob, installed: Installed, resolved: Mapping[str, Any]) -> Value:  # Any: JSON
    """Return what holds where nothing is told; None where that is not known."""
    if knob.variable or not knob.reads:
        return installed.default(knob.name, resolved)
    value: Any = resolved
    for step in knob.reads.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    if isinstance(value, str) and "." in value and knob.name == "attention_backend":
        value = value.rpartition(".")[2]
    return value if isinstance(value, bool | int | float | str) else None


def _fitting(
    knob: Knob, own: Sequence[Value], machine: Machine, model: ModelFacts | None, useful: Mapping[str, float]
) -> list[Value]:
    """Return one's own choices as far as they fit, or the catalogue's that the load can use too."""
    limit = None
    if knob.name.endswith("parallel_size"):
        limit = machine.devices
    elif knob.name == "OMP_NUM_THREADS":
        limit = machine.cores if own else machine.threads
    elif knob.name == "max_num_batched_tokens" and model is not None:
        limit = 4 * model.positions
    elif knob.name == "VLLM_CPU_KVCACHE_SPACE" and machine.memory_bytes is not None and not own:
        limit = machine.memory_bytes / 2**30 / 2 / machine.servers
    catalogued: Sequence[Value] = knob.choices
    if knob.name == "block_size" and machine.device == "cpu":
        catalogued = CPU_BLOCK_SIZES
    choices = own or catalogued
    fitting: list[Value] = [
        c for c in choices if limit is None or not isinstance(c, int | float) or c <= limit
    ]
    if knob.name == "tensor_parallel_size" and model is not None:
        fitting = [c for c in fitting if isinstance(c, int) and model.heads % c == 0]
    return fitting if own else sufficient(fitting, useful.get(knob.name, inf))


def _parameter(knob: Knob, default: Value, choices: Sequence[Value]) -> Categorical:
    """Return the parameter: what really runs is among its choices and its default, None where that is not known."""
    options = [c for c in dict.fromkeys(choices) if c is not None or default is None]
    options = [*options, *([default] if default not in options else [])]
    numeric = knob.ordered and all(isinstance(c, int | float) and not isinstance(c, bool) for c in options)
    if numeric:
        options = sorted(options, key=lambda c: float(str(c)))
    return Categorical(
        knob.name, options, default=default, description=knob.description, unit=knob.unit, ordered=numeric
    )
