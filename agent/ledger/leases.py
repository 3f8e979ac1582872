"""Leases: which worker holds a running trial, and whether it still lives.

A lease of a process on this machine lives exactly as long as the process (same boot, same pid, same start time),
whatever the clock says. A lease from another machine, or one without a pid (a worker behind the service), lives until
it expires; its holder renews it. Dead leases fail their trials as "lost"; live ones are left alone.
Expiry is measured on this boot's monotonic clock, which nobody can set, wherever the judge runs on the boot on which
the lease was last written; only on another machine or after a restart does the wall clock decide (decision 0034).
Sources: /proc/PID/stat field 22 and /proc/sys/kernel/random/boot_id, see proc(5).
"""

import os
import socket
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ...serving.errors import InvalidInput

LEASE_S = 120.0
"""How long a lease lives without renewal. ``run`` renews three times as often, so one missed renewal costs nothing."""

UNATTENDED_S = 7 * 86_400.0
"""Lease of a plain ``ask``, whose holder does not renew: on this machine the process is looked at instead, and on
another nobody may call a trial lost while a person evaluates it."""

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Lease:
    """Who holds a trial, until when (seconds since the epoch). ``pid`` None: known only by its renewals.

    ``boot_id``: of the process, or of who last wrote a lease without one; ``expires_mono`` is the end on its
    monotonic clock in seconds.
    """

    worker: str
    host: str
    boot_id: str
    pid: int | None
    process_started: str | None
    expires_at: float
    expires_mono: float | None = None

    def __post_init__(self) -> None:
        for name in ("worker", "host", "boot_id"):  # the ledger cannot keep a lease without them
            if not isinstance(getattr(self, name), str):
                raise InvalidInput(f"`{name}` of a lease must be text, got {getattr(self, name)!r}.")


def own_lease(*, worker: str | None = None, lasts_s: float = UNATTENDED_S) -> Lease:
    """Return a lease of this process."""
    pid = os.getpid()
    host = socket.gethostname()
    process = (boot_id(), pid, process_start(pid))
    return Lease(worker or f"{host}:{pid}", host, *process, time.time() + lasts_s, time.monotonic() + lasts_s)


def remote_lease(worker: str, *, lasts_s: float = LEASE_S) -> Lease:
    """Return a lease of a worker that is known only by name and lives by renewing."""
    return Lease(worker, "", boot_id(), None, None, time.time() + lasts_s, time.monotonic() + lasts_s)


def renewal(lasts_s: float) -> dict[str, Any]:
    """Return the columns of a lease that this process renews for ``lasts_s`` seconds from now."""
    return {
        "expires_at": time.time() + lasts_s,
        "expires_mono": time.monotonic() + lasts_s,
        "boot_id": boot_id(),
    }


def why_dead(lease: Lease, now: float) -> str | None:
    """Return in words why the holder of a lease is gone, or None while it may live. ``now``: by the wall clock."""
    (boot, _, space), (their_boot, _, their_space) = boot_id().partition("/"), lease.boot_id.partition("/")
    here = lease.host == socket.gethostname()
    if here and lease.pid is not None and boot != their_boot:
        return f"process {lease.pid} on {lease.host} ended when the machine was restarted"
    if lease.pid is None or not here or space != their_space:
        late_s = now - lease.expires_at
        if lease.expires_mono is not None and boot and boot == their_boot:
            late_s = time.monotonic() - lease.expires_mono
        if late_s <= 0:
            return None
        return f"worker {lease.worker} did not renew its lease, which ended {late_s:.0f} s ago"
    if process_start(lease.pid) != lease.process_started:
        return f"process {lease.pid} on {lease.host} ended without telling a result"
    return None


@cache
def boot_id() -> str:
    """Return "BOOT/NAMESPACE": which boot of this machine, and which space of process numbers (a container has its own)."""
    return f"{_read(_BOOT_ID)}/{_namespace()}"


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:  # not Linux
        return ""


def _namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def process_start(pid: int) -> str | None:
    """Return when process ``pid`` started, in the system's own words; None when there is no such process.

    Guards against a pid that was given to another process since.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return None if Path("/proc/self/stat").exists() else _alive(pid)
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in ("Z", "X") else fields[19]


def _alive(pid: int) -> str | None:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return "alive"
