"""Start and stop vLLM servers many times, killing some at random, and count what is left behind.

    python benchmarks/vllm_stress.py [--fork 200] [--ordinary 10] [--kill 0.3]

Counts processes with our mark in their environment, zombies of our servers' sessions, files in /dev/shm that our servers
had mapped, named semaphores that were not there before, folders of temporary files, and listening ports. Exits with 1 when
anything is left: run it with nothing beside that makes semaphores or takes ports.
"""

import argparse
import os
import random
import signal
import socket
import sys
import tempfile
import time
import uuid
from pathlib import Path

from trialogue.serving.models.sample_models import tiny_model
from trialogue.serving.servers.host import ServerHost
from trialogue.serving.servers.server import RunningServer, ServerFailed, ServerSpec
from trialogue.serving.vllm.environment import find_vllm

MARK = uuid.uuid4().hex


def marked() -> list[int]:
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            try:
                if MARK.encode() in Path(f"/proc/{name}/environ").read_bytes():
                    found.append(int(name))
            except OSError:
                continue
    return found


def in_sessions(sessions: set[int]) -> list[int]:
    """Return the processes of these sessions, zombies included."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                fields = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) in sessions:
                found.append(int(name))
    return found


def tracks_resources(pid: int) -> bool:
    """Return whether it is Python's own janitor: where that is killed, nobody knows whose a named semaphore was."""
    try:
        return b"multiprocessing.resource_tracker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def semaphores() -> set[str]:
    return {name for name in os.listdir("/dev/shm") if name.startswith("sem.")}


def mapped(pids: list[int]) -> set[str]:
    files: set[str] = set()
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
        except OSError:
            continue
        files |= {line.split(None, 5)[5].strip() for line in lines if "/dev/shm/" in line}
    return files


def cycle(
    host: ServerHost, spec: ServerSpec, folder: Path, kill: float, rng: random.Random
) -> tuple[str, set[str], int, int]:
    """Return what was done, the shared memory of the server, its session and its port."""
    try:
        server = RunningServer.start(host, spec, log=folder / "server.log")
    except ServerFailed as error:
        return f"failed: {error.failure.kind}", set(), 0, 0
    pids = server.processes()
    files = mapped(pids)
    what = "stopped"
    if rng.random() < kill:
        victim = rng.choice([pid for pid in pids if not tracks_resources(pid)])
        os.kill(victim, signal.SIGKILL)
        what = "killed the leader" if victim == server.pid else "killed a worker"
    server.stop(grace_s=5)
    return what, files, server.pid, server.port


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--fork", type=int, default=200)
    parser.add_argument("--ordinary", type=int, default=10)
    parser.add_argument("--kill", type=float, default=0.3)
    args = parser.parse_args()
    rng, folder = random.Random(0), Path(tempfile.mkdtemp())
    spec = ServerSpec(str(tiny_model().absolute()), {"enforce_eager": True}, {"TRIALOGUE_MARK": MARK}, "m")
    counts: dict[str, int] = {}
    files: set[str] = set()
    ports: list[int] = []
    sessions: set[int] = set()
    before = semaphores()
    folders: list[Path] = []
    began = time.monotonic()
    for warm, cycles in ((True, args.fork), (False, args.ordinary)):
        with ServerHost(find_vllm(), warm=warm, folder=folder) as host:
            for i in range(cycles):
                what, used, session, port = cycle(host, spec, folder, args.kill, rng)
                counts[f"{'fork' if warm else 'ordinary'}: {what}"] = (
                    counts.get(f"{'fork' if warm else 'ordinary'}: {what}", 0) + 1
                )
                files |= used
                ports.append(port)
                sessions.add(session)
                folders = [*{*folders, host.scratch}]
                if (i + 1) % 20 == 0:
                    print(f"{i + 1}/{cycles}: {len(in_sessions(sessions - {0}))} processes alive", flush=True)
    time.sleep(0.5)
    left = {*marked(), *in_sessions(sessions - {0})}
    named = semaphores() - before
    shared = [f for f in files if os.path.exists(f)]
    held = [p for p in ports if p and not _free(p)]
    print(f"{counts} in {time.monotonic() - began:.0f} s")
    kept = [f for f in folders if f.exists()]
    print(
        f"left: {len(left)} processes, {len(shared)} of {len(files)} shared-memory files, {len(named)} semaphores, "
        f"{len(held)} of {len(ports)} ports, "
        f"{len(kept)} of {len(folders)} folders of temporary files"
    )
    sys.exit(1 if left or shared or named or held or kept else 0)


def _free(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) != 0


if __name__ == "__main__":
    main()
