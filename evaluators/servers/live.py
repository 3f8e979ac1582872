"""Limits of the scheduler that can be lowered in a running server, by a file that our scheduler class reads.

The other side is ``serving/servers/helpers/trialogue_scheduler.py``, which answers with the revision that it has applied.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...serving.servers.failures import ServerFailure
from ...serving.servers.server import RunningServer, ServerSpec
from ...serving.vllm.catalogue import LIVE

SCHEDULER = "trialogue_scheduler.LiveScheduler"
_LOOKS, _PAUSE_S = 20, 0.05


class LiveLimits:
    """The limits of one target's server. ``folder`` holds the file."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "live.json"

    def spec(self, spec: ServerSpec, ceilings: Mapping[str, int], params: Mapping[str, Any]) -> ServerSpec:
        """Return what to start instead: at the ceilings, with our scheduler, its limits those of ``params``."""
        flags = {
            **spec.flags,
            **{k: v for k, v in ceilings.items() if k in params},
            "scheduler_cls": SCHEDULER,
        }
        variables = {**spec.variables, "TRIALOGUE_LIVE_KNOBS": str(self._file.absolute())}
        self._write(params)
        return replace(spec, flags=flags, variables=variables)

    def lower(self, server: RunningServer, params: Mapping[str, Any]) -> None:  # Any: a choice of the space
        """Lower the limits in the running server; returns when its scheduler has seen them. Raises ServerFailed."""
        revision, receipt = self._write(params), Path(f"{self._file}.seen")
        for _ in range(_LOOKS):
            server.answers(10)
            if receipt.exists() and receipt.read_text() == str(revision):
                return
            time.sleep(_PAUSE_S)
        raise server.failed(ServerFailure("hang", "the scheduler did not take the new limits", "load"))

    def _write(self, params: Mapping[str, Any]) -> int:
        revision = time.monotonic_ns()
        wanted = {k: params[k] for k in LIVE if k in params} | {"revision": revision}
        part = self._file.with_suffix(".part")
        part.write_text(json.dumps(wanted))
        part.replace(self._file)
        return revision
