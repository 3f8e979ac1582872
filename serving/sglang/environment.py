"""Find the Python environment that SGLang is installed in, and what a process of its server needs to know.

``TRIALOGUE_SGLANG_PYTHON``, ``.sglang/`` in the working directory, or the interpreter that runs this. Nothing is imported:
the version is read from the installed metadata, the flags from the program's ``--help``. Flags and paths are those that
SGLang documents in 2026 (``sglang/srt/server_args.py``); none of this has been run on a real SGLang.
"""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import ServingError
from ..servers.installation import find_distribution, variables_of_python

VARIABLE = "TRIALOGUE_SGLANG_PYTHON"
PROGRAM = ("python3", "-m", "sglang.launch_server")
HELP_S = 180.0
"""It imports the engine before it tells its flags."""


class SglangNotInstalled(ServingError):
    """No Python environment with SGLang could be found, or its server does not run."""


@dataclass(frozen=True, slots=True)
class SglangEnvironment:
    """An environment with SGLang. ``cpu``: whether its server shares cores with the load client."""

    python: Path
    version: str
    cpu: bool = False

    def command(self) -> list[str]:
        """Return the words in front of a server's arguments."""
        return [str(self.python), *PROGRAM[1:]]

    def plumbing(self, served_name: str | None) -> list[str]:
        """Return the arguments that are no part of a configuration."""
        return ["--log-level-http", "warning", *(["--served-model-name", served_name] if served_name else [])]

    def flags(self) -> dict[str, str]:
        """Return the flags of this version, with underscores, each with its words of help; raises SglangNotInstalled."""
        command = [*self.command(), "--help"]
        try:
            process = subprocess.run(
                command, env=self.variables(), capture_output=True, text=True, timeout=HELP_S, check=True
            )
        except subprocess.CalledProcessError as error:
            last = (error.stderr or "").strip().rpartition("\n")[2]
            raise SglangNotInstalled(
                f"SGLang's server must run, but {command!r} says: {last[:300]}"
            ) from None
        except (OSError, subprocess.SubprocessError) as error:
            raise SglangNotInstalled(f"SGLang's server must run, but does not: {error}.") from None
        return flags_of(process.stdout)

    def decisive(self) -> dict[str, str]:
        """Return no variables: flags decide everything."""
        return {}

    def variables(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return this process's environment without what would change the other's imports, and ``extra``."""
        return variables_of_python(extra)


def find_sglang() -> SglangEnvironment:
    """Return the environment to use, or raise SglangNotInstalled with what to do about it. Imports nothing of it."""
    variable = os.environ.get(VARIABLE)
    candidates = (
        [Path(variable)] if variable else [Path(".sglang/bin/python").absolute(), Path(sys.executable)]
    )
    distribution = find_distribution("sglang", candidates)
    if distribution is not None:
        return SglangEnvironment(*distribution)
    looked = ", ".join(map(str, candidates))
    raise SglangNotInstalled(
        f"SGLang must be installed, found none in {looked!r}; `pip install sglang` in an environment of its own and name its "
        f"Python in {VARIABLE}."
    )


def flags_of(words: str) -> dict[str, str]:
    """Return the flags that a ``--help`` of Python's argparse lists, with underscores, each with the words about it."""
    flags: dict[str, str] = {}
    names: list[str] = []
    for line in words.splitlines():
        if re.match(r" {2}-", line):
            head, _, description = line.strip().partition("  ")
            names = [n.replace("-", "_") for n in re.findall(r"(?:^|, )--([A-Za-z][\w-]*)", head)]
            flags |= {n: description.strip() for n in names}
        elif line.startswith("   "):
            flags |= {n: f"{flags[n]} {line.strip()}".strip() for n in names}
        else:
            names = []
    return flags
