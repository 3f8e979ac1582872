"""The servers of one target: one of the configuration that is measured, and one of the default beside it or in between.

Starts by rung, reuses what runs where that is the same configuration and alive, and stops. What goes wrong with the
default is told apart from what goes wrong with the configuration. Knows nothing of loads and results.
"""

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...serving.errors import ServingError
from ...serving.servers.host import HostDied
from ...serving.servers.server import RunningServer, ServerFailed, ServerSpec
from ...serving.vllm.catalogue import LIVE
from .attempt import Rung
from .hosts import Hosts
from .live import LiveLimits
from .settings import TargetSettings

ANSWER_S = 30.0


class DefaultFailed(ServingError):
    """The default that a configuration is compared with did not start or died; ``log`` is the file with its words."""

    def __init__(self, message: str, log: Path | None) -> None:
        super().__init__(message)
        self.log = log


class Servers:
    """``own``: the server that runs, if any, and ``running`` its configuration and rung; ``beside``: the default's server
    that is kept next to it. ``warm_up`` sends a new server requests that are not counted; it may raise ServerFailed."""

    def __init__(
        self, settings: TargetSettings, hosts: Hosts, warm_up: Callable[[RunningServer], None]
    ) -> None:
        self.settings = settings
        self.own: RunningServer | None = None
        self.running: tuple[dict[str, Any], Rung] | None = None  # Any: choices of the space
        self.beside: RunningServer | None = None
        self.starts = 0
        self._hosts = hosts
        self._warm_up = warm_up
        self._live = LiveLimits(settings.folder)
        self._beside_rung: Rung = "fork"

    def serve(
        self, params: dict[str, Any], spec: ServerSpec, rung: Rung, *, again: bool = False
    ) -> tuple[RunningServer, float, Rung]:
        """Return a server that runs this configuration, the seconds it took, and how it was had. Raises ServerFailed.

        One that runs is used where it lives and was not started like by a shell, or where it is asked for ``again``.
        """
        began = time.monotonic()
        same = self.same(params, rung) or (again and self.running == (params, rung))
        if self.own is not None and same and _lives(self.own):
            if self.settings.rungs.live:
                self._live.lower(self.own, params)
            return self.own, time.monotonic() - began, "live"
        self.stop_own()
        if rung != "ordinary" and self.settings.rungs.live:
            spec = self._live.spec(spec, self.settings.ceilings, params)
        own = self.start_own(spec, rung)
        self.running = (params, rung)
        self._warm_up(own)
        return own, time.monotonic() - began, rung

    def same(self, params: Mapping[str, Any], rung: Rung = "fork") -> bool:  # Any: a choice of the space
        """Return whether the server that runs, if it lives, can measure this configuration without a start."""
        if self.running is None or "ordinary" in (rung, self.running[1]):
            return False
        free = LIVE if self.settings.rungs.live else frozenset[str]()
        running = {k: v for k, v in self.running[0].items() if k not in free}
        return running == {k: v for k, v in params.items() if k not in free}

    def start(self, spec: ServerSpec, rung: Rung) -> RunningServer:
        """Return a new server by this rung; it is the caller's. Raises ServerFailed."""
        flags = dict(spec.flags)
        if rung != "ordinary" and self.settings.rungs.eager:
            flags.setdefault("enforce_eager", True)
        host = self._hosts.get(warm=self.warm(rung), variables=spec.variables)
        self.starts += 1
        log = self.settings.folder / f"server-{os.getpid()}-{self.starts:03d}.log"
        deadline_s = self.settings.start_deadline_s
        return RunningServer.start(host, replace(spec, flags=flags), log=log, deadline_s=deadline_s)

    def start_own(self, spec: ServerSpec, rung: Rung) -> RunningServer:
        """Start a server in the place of the configuration's, which must be free. Raises ServerFailed."""
        self.own = self.start(spec, rung)
        return self.own

    def warm(self, rung: Rung) -> bool:
        """Return whether servers of this rung are forked from a warm host."""
        return rung != "ordinary" and self.settings.rungs.fork

    def keep_beside(self, default: ServerSpec, rung: Rung) -> None:
        """Have a server of the default run beside, started by this rung. Raises DefaultFailed."""
        if self.beside is not None and (self._beside_rung != rung or self.beside.gone()):
            self.stop_beside()
        if self.beside is None:
            with self.of_default("it did not start"):
                self.beside, self._beside_rung = self.start(default, rung), rung
                self._hosts.held = self.beside.host
                self._warm_up(self.beside)

    @contextlib.contextmanager
    def of_default(self, what: str, server: RunningServer | None = None) -> Iterator[None]:
        """Turn what goes wrong with a server of the default into DefaultFailed; it is ended, the next try starts another."""
        try:
            yield
        except (ServerFailed, HostDied, OSError) as error:
            self.stop_beside()
            log = error.log if isinstance(error, ServerFailed) else server.log if server else None
            raise DefaultFailed(f"{what}: {error}", log) from error

    def stop(self) -> None:
        """End every server."""
        self.stop_own()
        self.stop_beside()

    def forget(self) -> None:
        """Know of no server any more: their hosts end them."""
        self.own = self.running = self.beside = self._hosts.held = None

    def stop_own(self) -> None:
        """End the server of the configuration, if any."""
        if self.own is not None:
            with contextlib.suppress(HostDied):  # its servers are gone with it
                self.own.stop()
        self.own = self.running = None

    def stop_beside(self) -> None:
        """End the default's server beside, if any."""
        if self.beside is not None:
            with contextlib.suppress(HostDied):
                self.beside.stop()
        self.beside = self._hosts.held = None


def _lives(server: RunningServer) -> bool:
    return not server.gone() and server.answers(ANSWER_S)
