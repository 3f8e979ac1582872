"""Find the Python environment that vLLM is installed in, and what processes there need to know.

vLLM lives in an environment of its own: ``TRIALOGUE_VLLM_PYTHON``, ``.vllm/`` in the working directory (``make vllm``),
or the interpreter that runs this. Nothing is imported: version and build are read from the installed metadata.
"""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import ServingError
from ..servers.installation import HELPERS, find_distribution, variables_of_python

VARIABLE = "TRIALOGUE_VLLM_PYTHON"
CPU_VARIABLES = {
    "OMP_NUM_THREADS": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind", "VLLM_CPU_KVCACHE_SPACE": "1",
}  # fmt: skip
"""What a server of the CPU build gets unless the user's environment says otherwise."""


class VllmNotInstalled(ServingError):
    """No Python environment with vLLM could be found."""


@dataclass(frozen=True, slots=True)
class VllmEnvironment:
    """An environment with vLLM. ``shim``: a folder of metadata for builds whose distribution has another name."""

    python: Path
    version: str
    cpu: bool
    shim: Path | None = None

    def command(self) -> list[str]:
        """Return the start of a ``vllm serve`` command line that runs in this environment."""
        return [str(self.python), str(self.python.with_name("vllm")), "serve"]

    def plumbing(self, served_name: str | None) -> list[str]:
        """Return the arguments that are no part of a configuration."""
        name_flag = ["--served-model-name", served_name] if served_name else []
        return ["--disable-uvicorn-access-log", *name_flag]

    def decisive(self) -> dict[str, str]:
        """Return the variables that decide how fast a CPU server is, as this process has them, else ours: one thread that
        is not pinned, because one that has to share its core stalls all others, and a cache that leaves memory."""
        if not self.cpu:
            return {}
        return {name: os.environ.get(name, value) for name, value in CPU_VARIABLES.items()}

    def variables(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the environment variables for a process of vLLM: this process's, ours, then ``extra``.

        No network for weights or statistics.
        """
        paths = [str(p) for p in (self.shim, HELPERS) if p]
        own = variables_of_python()
        fixed = {
            "PYTHONPATH": os.pathsep.join(paths),
            "VLLM_NO_USAGE_STATS": "1",
            "DO_NOT_TRACK": "1",
            "VLLM_SERVER_DEV_MODE": "1",  # /reset_prefix_cache between measurements
        }
        own.setdefault("HF_HUB_OFFLINE", "1")
        return {**own, **fixed, **self.decisive(), **(extra or {})}


def find_vllm(python: str | Path | None = None) -> VllmEnvironment:
    """Return the environment to use, or raise VllmNotInstalled with what to do about it."""
    variable = python or os.environ.get(VARIABLE)
    candidates = [Path(variable)] if variable else [Path(".vllm/bin/python").absolute(), Path(sys.executable)]
    for candidate in candidates:
        environment = _inspect(candidate)
        if environment is not None:
            return environment
    looked = ", ".join(str(c) for c in candidates)
    raise VllmNotInstalled(
        f"vLLM must be installed in an environment of its own, found none in {looked!r}; "
        f"run `make vllm` (CPU build) or set {VARIABLE} to the Python of an environment with vLLM."
    )


def _inspect(python: Path) -> VllmEnvironment | None:
    if not python.exists():
        return None
    for name in ("vllm", "vllm_cpu"):
        distribution = find_distribution(name, [python])
        if distribution is not None:
            shim = python.parent.parent / "shim"
            cpu = name == "vllm_cpu" or "+cpu" in distribution[1]
            return VllmEnvironment(*distribution, cpu, shim if shim.is_dir() else None)
    return None
