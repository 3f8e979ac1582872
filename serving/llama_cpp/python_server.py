"""Find llama-cpp-python, and what a process of its server needs to know: llama.cpp from pip, OpenAI-compatible.

It lives in ``.llama/`` of the working directory (``make llama``), or beside the interpreter that runs this (the extra
``llama``). Its settings are read from variables of the environment too, by their bare names. Source: its documentation,
"OpenAI Compatible Web Server", version 0.3.36.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..servers.installation import find_distribution, variables_of_python
from .environment import LlamaNotInstalled

LLAMA_PROGRAM = ("python", "-m", "llama_cpp.server")
LLAMA_SERVED = {"N_CTX": "8192", "INTERRUPT_REQUESTS": "false"}
"""Settings that planners need: room for a history (its default are 2048 tokens), and no answer that is cut off because
another request came. A larger context costs memory: its log-probabilities are kept for every position."""
_TAKEN_FOR_SETTINGS = {"API_KEY", "CACHE", "CONFIG_FILE", "EMBEDDING", "NUMA", "SEED", "VERBOSE"}
"""Variables that a shell may have for something else, and that this server would take for its own."""


@dataclass(frozen=True, slots=True)
class LlamaPython:
    """An environment with llama-cpp-python."""

    python: Path
    version: str
    cpu: bool = True

    def command(self) -> list[str]:
        """Return the words in front of a server's arguments."""
        return [str(self.python), *LLAMA_PROGRAM[1:]]

    def plumbing(self, served_name: str | None) -> list[str]:
        """Return the arguments that are no part of a configuration."""
        return ["--model_alias", served_name] if served_name else []

    def decisive(self) -> dict[str, str]:
        """Return no variables: those that count are in ``LLAMA_SERVED``."""
        return {}

    def variables(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return this process's environment without what the server would mistake for its settings, and ``extra``."""
        return variables_of_python(extra, without=_TAKEN_FOR_SETTINGS)


def find_llama_python() -> LlamaPython:
    """Return the environment to use, or raise LlamaNotInstalled with what to do about it. Imports nothing of it."""
    candidates = [Path(".llama/bin/python").absolute(), Path(sys.executable)]
    distribution = find_distribution("llama_cpp_python", candidates)
    if distribution is not None:
        return LlamaPython(*distribution)
    looked = ", ".join(map(str, candidates))
    raise LlamaNotInstalled(
        f"llama-cpp-python must be installed, found none in {looked!r}; run `make llama`, or "
        "`pip install 'trialogue[llama]'` (both compile it, which takes minutes and a C++ compiler)."
    )
