"""The host processes that one target uses: a warm one per number of OMP threads, and one that starts like a shell would.

Hosts are made on first use and kept; beyond ``MAX_WARM_HOSTS`` the oldest warm one is closed, with every server that it
holds. Knows nothing of configurations and loads.
"""

from collections.abc import Mapping
from os import environ
from pathlib import Path

from ...serving.servers.host import ServerHost
from ...serving.servers.installation import Installation

MAX_WARM_HOSTS = 2  # each holds about 0.6 GB of imported modules
TRACED = {"PYTHONFAULTHANDLER": "1"}
"""Lets a process that crashes leave a trace in its log: one that ends without was killed."""


class Hosts:
    """Hosts of one environment. ``variables`` hold for everything that they start; ``held`` is never closed for room."""

    def __init__(self, environment: Installation, folder: Path, variables: Mapping[str, str]) -> None:
        self.held: ServerHost | None = None
        self._environment = environment
        self._folder = folder
        self._variables = dict(variables)
        self._hosts: dict[tuple[bool, str], ServerHost] = {}

    def get(self, *, warm: bool, variables: Mapping[str, str] | None = None) -> ServerHost:
        """Return the host for servers with these variables of their own."""
        omp = self._threads(variables)
        key = (warm, omp if warm else "")
        if key in self._hosts:
            self._hosts[key] = self._hosts.pop(key)  # the one that was not used for longest makes room
        else:
            if sum(k[0] for k in self._hosts) >= MAX_WARM_HOSTS and warm:
                oldest = next(k for k, h in self._hosts.items() if k[0] and h is not self.held)
                self._hosts.pop(oldest).close()
            folder = self._folder / (f"host-{omp}" if omp else "host")
            fixed = self._fixed(omp if warm else "")
            self._hosts[key] = ServerHost(self._environment, warm=warm, folder=folder, variables=fixed)
        return self._hosts[key]

    def told(self, *, warm: bool, variables: Mapping[str, str]) -> dict[str, str]:
        """Return these variables of a server's own, and what else it is told beside what this process's environment says."""
        fixed = self._fixed(self._threads(variables) if warm else "")
        every = self._environment.variables({**fixed, **variables})
        return {
            name: value for name, value in every.items() if name in variables or environ.get(name) != value
        }

    def _threads(self, variables: Mapping[str, str] | None) -> str:
        return self._environment.variables({**self._variables, **(variables or {})}).get(
            "OMP_NUM_THREADS", ""
        )

    def _fixed(self, omp: str) -> dict[str, str]:
        return {**TRACED, **self._variables, **({"OMP_NUM_THREADS": omp} if omp else {})}

    def of_load(self, server_host: ServerHost) -> ServerHost:
        """Return a warm host for load: the server's own, or the plain one when it was started like by a shell."""
        return server_host if server_host.warm else self.get(warm=True)

    def close(self) -> None:
        """Close every host."""
        self.held = None
        for host in self._hosts.values():
            host.close()
        self._hosts.clear()
