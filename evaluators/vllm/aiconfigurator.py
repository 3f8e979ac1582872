"""Step times from NVIDIA's tables of measured operators (``aiconfigurator-core``, the extra ``estimate``).

Works without a GPU and offline for the models and systems that the package has tables of; says what it lacks. Its own
serving model is not in the package: ``evaluators/engines/estimates.py`` has ours. Imported on use: it loads 200 MB.
"""

import logging
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..engines.estimates import Layout, SteadyLoad
from ..errors import NotEstimated

FORMATS: Mapping[str, tuple[str, ...]] = {
    "": (),
    "fp8": ("fp8", "fp8_block"),
    "fp4": ("nvfp4",),
    "bf16": ("bfloat16",),
    "int4": ("int4_wo",),
}
"""What the package calls a number format of weights, in the order in which tables are looked for; the model's own first."""
ATTENTION = (None, "bfloat16")
"""Number formats of attention, in that order."""


class OperatorSteps:
    """The ``Steps`` of one layout of one model on one system. Raises NotEstimated where there are no tables for it."""

    def __init__(
        self,
        model: str,
        system: str,
        layout: Layout,
        *,
        backend: str = "vllm",
        kv_tokens: float = float("inf"),
    ) -> None:
        """``kv_tokens``: what a rank's KV cache holds, which the package tells for few models."""
        self._engine = _engine(model, system, layout, backend)
        self.kv_tokens = kv_tokens

    def step_ms(self, prompt_tokens: int, answered: int, load: SteadyLoad) -> float:
        """Return the time of a step."""
        length = load.input_tokens, load.output_tokens
        if prompt_tokens:
            return self._engine.mixed_step_latency(prompt_tokens, answered, *length)
        return self._engine.decode_step_latency(max(answered, 1), *length)


def has_tables(model: str, system: str) -> bool:
    """Return whether the package is installed, knows the model (a folder, or a published name) and has the system."""
    try:
        from aiconfigurator_core.sdk.common import DefaultHFModels  # pyright: ignore[reportMissingImports] - an extra
        from aiconfigurator_core.sdk.perf_database import (  # pyright: ignore[reportMissingImports] - an extra
            get_supported_databases,
        )
    except ImportError:
        return False
    return (Path(model).is_dir() or model in DefaultHFModels) and "vllm" in get_supported_databases().get(
        system, {}
    )


def published_config(model: str) -> dict[str, Any]:  # Any: JSON
    """Return the ``config.json`` of a model that ``has_tables``."""
    from aiconfigurator_core.sdk.utils import (  # pyright: ignore[reportMissingImports] - an extra
        get_model_config_from_model_path,
    )

    return get_model_config_from_model_path(model)["raw_config"]


@lru_cache(maxsize=256)
def _engine(model: str, system: str, layout: Layout, backend: str) -> Any:  # Any: the package is untyped
    """Return the package's engine of a layout in the first number formats that it has tables of."""
    try:
        from aiconfigurator_core.sdk import EngineHandle  # pyright: ignore[reportMissingImports] - an extra
    except ImportError:
        raise NotEstimated(
            "Estimates from measured operators need `aiconfigurator-core`: pip install 'trialogue[estimate]'."
        ) from None
    wide = layout.tensor * layout.data
    sizes = {
        "tp_size": layout.tensor, "pp_size": layout.pipeline, "attention_dp_size": layout.data,
        "moe_tp_size": max(wide // layout.expert, 1), "moe_ep_size": layout.expert,
    }  # fmt: skip
    problem = "no number format was tried"
    logging.getLogger("aiconfigurator_core").setLevel(logging.CRITICAL)
    for formats in _formats(layout.weights):
        try:
            engine = EngineHandle.compile(model, system, backend, **sizes, **formats)
            engine.mixed_step_latency(64, 1, 128, 128)
            engine.decode_step_latency(2, 128, 128)
            return engine
        except Exception as error:  # the package raises whatever its tables lack as it likes
            problem = str(error).partition("\n")[0][:200]
    raise NotEstimated(f"aiconfigurator-core cannot estimate {model!r} on {system!r}: {problem}")


def _formats(weights: str) -> Iterator[dict[str, str]]:
    for attention in ATTENTION:
        how = {} if attention is None else {"fmha_quant_mode": attention}
        yield from (
            {**how, "gemm_quant_mode": f, "moe_quant_mode": f} for f in FORMATS.get(weights, (weights,))
        )
        if weights in ("", "fp8", "fp4"):
            yield how
