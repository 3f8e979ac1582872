"""What a host needs to know of an installed server program: a protocol that each engine's environment keeps, and what
several of them need to keep it.

Knows no engine. Implementations are frozen values: ``serving/vllm/environment.py``, ``serving/llama_cpp/environment.py``,
``serving/sglang/environment.py``.
"""

import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Protocol

HELPERS = Path(__file__).parent / "helpers"


class Installation(Protocol):
    """One server program as it is installed here."""

    @property
    def python(self) -> Path:
        """Interpreter that runs the host of its servers; a warm host imports the engine with it."""
        ...

    @property
    def version(self) -> str:
        """Version of the engine, kept with every record."""
        ...

    @property
    def cpu(self) -> bool:
        """Whether it computes on the CPU, so that servers and clients share cores."""
        ...

    def command(self) -> list[str]:
        """Return the words in front of a server's arguments."""
        ...

    def plumbing(self, served_name: str | None) -> list[str]:
        """Return the arguments that are no part of a configuration: the name in requests, logging."""
        ...

    def decisive(self) -> dict[str, str]:
        """Return the environment variables that decide speed, as they will be; part of what is handed over."""
        ...

    def variables(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return all environment variables of a server's process, ``extra`` last."""
        ...


def visible_devices(variables: Mapping[str, str]) -> int:
    """Return how many accelerators a process with these environment variables may use, at least 1."""
    visible = variables.get("CUDA_VISIBLE_DEVICES")
    devices = visible.split(",") if visible is not None else Path("/dev").glob("nvidia[0-9]*")
    return max(sum(bool(d) for d in devices), 1)


def memory_bytes(limit: Path = Path("/sys/fs/cgroup/memory.max")) -> int:
    """Return the bytes of memory that processes here may use: the machine's, or less where a container has a ``limit``."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    allowed = limit.read_text().strip() if limit.is_file() else ""
    return min(physical, int(allowed)) if allowed.isdecimal() else physical


def find_distribution(name: str, pythons: Iterable[Path]) -> tuple[Path, str] | None:
    """Return the first of some interpreters beside which a distribution is installed, and its version; imports nothing."""
    for python in pythons:
        folder = python.parent.parent  # not resolved: the interpreter of a venv is a link
        for info in sorted(folder.glob(f"lib/python3*/site-packages/{name}-[0-9]*.dist-info")):
            return python, info.name.removesuffix(".dist-info").partition("-")[2]
    return None


def variables_of_python(
    extra: Mapping[str, str] | None = None, without: Collection[str] = ()
) -> dict[str, str]:
    """Return the variables for a process of another Python: this process's but for what would change its imports and those
    ``without`` (in any case), then ``extra``."""
    dropped = {*without, "PYTHONPATH", "PYTHONSAFEPATH", "PYTHONHOME"}
    own = {name: value for name, value in os.environ.items() if name.upper() not in dropped}
    return {**own, "PYTHONUNBUFFERED": "1", **(extra or {})}
