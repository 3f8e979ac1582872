"""Processes of one session (Linux): list them, stop them, and clean up the shared memory that they mapped.

Every server runs as the leader of a session of its own, so nothing outside it is ever signalled. Standard library only.
As a program: ``process_session.py SESSION…`` ends these sessions, for when the host that should have done it is dead.
"""

import ctypes
import os
import signal
import sys
import time

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent():
    """Ask the kernel to kill this process when the thread that made it ends."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def adopt_orphans():
    """Become the parent of orphaned descendants, so that they can be found and reaped."""
    _libc.prctl(PR_SET_CHILD_SUBREAPER, 1)


def members(session):
    """Return the pids of the living (not zombie) processes of a session."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] not in "ZX":
            found.append(int(name))
    return found


def shared_memory(pids):
    """Return the files under /dev/shm that these processes have mapped or open."""
    files = set()
    for pid in pids:
        try:
            with open(f"/proc/{pid}/maps") as maps:
                files |= {line.split(None, 5)[5].strip() for line in maps if "/dev/shm/" in line}
        except (OSError, IndexError):
            continue
    return {name for name in files if name.startswith("/dev/shm/") and not name.endswith("(deleted)")}


def signal_all(pids, number):
    """Send a signal to each process that still lives."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


def stop(session, grace_s, reap):
    """End a session: SIGTERM to its leader, after ``grace_s`` SIGKILL to all of it. Return the pids that survived.

    ``reap()`` is called while waiting, to collect children. Grandchildren that outlive the leader are killed too, Python's
    resource trackers a second later: they remove the named semaphores of what was killed, and end by themselves.
    """
    _wait(session, grace_s, reap, first=signal.SIGTERM)
    for turn in range(100):
        left = members(session)
        if not left:
            break
        signal_all([p for p in left if turn >= 50 or not _tracks_resources(p)], signal.SIGKILL)
        time.sleep(0.02)
        reap()
    reap()
    return members(session)


def _tracks_resources(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return b"multiprocessing.resource_tracker" in file.read()
    except OSError:
        return False


def _wait(session, seconds, reap, first):
    try:
        os.kill(session, first)
    except ProcessLookupError:
        return
    deadline = time.monotonic() + seconds
    while members(session) and time.monotonic() < deadline:
        time.sleep(0.02)
        reap()


def unlink_unused(files):
    """Remove shared-memory files that no living process maps any more; return how many were removed."""
    used = shared_memory(int(name) for name in os.listdir("/proc") if name.isdigit())
    removed = 0
    for name in set(files) - used:
        try:
            os.unlink(name)
            removed += 1
        except OSError:
            pass
    return removed


if __name__ == "__main__":
    for leader in map(int, sys.argv[1:]):
        stop(leader, 0, lambda: None)
