"""Find llama.cpp's server, and what a process of it needs to know.

It is one program, ``llama-server``: ``TRIALOGUE_LLAMA_SERVER``, ``.llama/`` in the working directory (``make llama``), or on
the path. Written against llama.cpp of 2026.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import ServingError

VARIABLE = "TRIALOGUE_LLAMA_SERVER"


class LlamaNotInstalled(ServingError):
    """No ``llama-server`` could be found, or it does not run."""


@dataclass(frozen=True, slots=True)
class LlamaEnvironment:
    """An installed ``llama-server``. ``cpu``: whether its server shares cores with the load client."""

    binary: Path
    version: str
    cpu: bool = True

    @property
    def python(self) -> Path:
        """Interpreter of the host process: ours, the host imports nothing of the engine."""
        return Path(sys.executable)

    def command(self) -> list[str]:
        """Return the program."""
        return [str(self.binary)]

    def plumbing(self, served_name: str | None) -> list[str]:
        """Return the arguments that are no part of a configuration."""
        return ["--no-ui", *(["--alias", served_name] if served_name else [])]

    def flags(self) -> dict[str, str]:
        """Return the flags of this version, with underscores, each with its words of ``--help``; raises LlamaNotInstalled."""
        return flags_of(_told(str(self.binary), "--help"))

    def decisive(self) -> dict[str, str]:
        """Return no variables: flags decide everything."""
        return {}

    def variables(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return this process's environment and ``extra``; the host's script finds the module beside it."""
        return {**{k: v for k, v in os.environ.items() if k != "PYTHONSAFEPATH"}, **(extra or {})}


def find_llama(binary: str | Path | None = None) -> LlamaEnvironment:
    """Return the installed server, or raise LlamaNotInstalled with what to do about it."""
    name = str(binary or os.environ.get(VARIABLE) or "llama-server")
    own = None if binary or os.environ.get(VARIABLE) else shutil.which(Path(".llama/bin/llama-server"))
    path = own or shutil.which(name)
    if path is None:
        raise LlamaNotInstalled(
            f"llama.cpp's server must be installed, found none as {name!r}; `make llama` builds it, {VARIABLE} names another."
        )
    version = re.search(r"version: (\S+)(?: \((.*)\))?", _told(path, "--version"))
    if version is None:
        raise LlamaNotInstalled(f"{path!r} must be llama.cpp's server, but tells no version.")
    return LlamaEnvironment(Path(path).absolute(), " ".join(filter(None, version.groups())))


def flags_of(words: str) -> dict[str, str]:
    """Return the flags that a text of ``--help`` lists, with underscores, each with the words about it."""
    flags: dict[str, str] = {}
    names: list[str] = []
    for line in words.splitlines():
        head = re.match(r"(?:-{1,2}[A-Za-z][\w-]*,\s*)*-{1,2}[A-Za-z][\w-]*", line)
        if head:
            names = [n.replace("-", "_") for n in re.findall(r"--([A-Za-z][\w-]*)", head[0])]
            flags |= {n: line[head.end() :].strip() for n in names}
        elif line.startswith(" "):
            flags |= {n: f"{flags[n]} {line.strip()}" for n in names}
        else:
            names = []
    return flags


def _told(program: str, option: str) -> str:
    try:
        process = subprocess.run([program, option], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise LlamaNotInstalled(
            f"{program!r} must be llama.cpp's server, but does not run: {error}."
        ) from None
    return process.stdout + process.stderr
