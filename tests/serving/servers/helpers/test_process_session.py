"""Ending a whole session: no process runs on and no named semaphore is left, also of a leader that was killed before."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from trialogue.serving.servers.installation import HELPERS

LEADER = """
import multiprocessing, time
lock = multiprocessing.get_context("spawn").Lock()
print(lock._semlock.name, flush=True)
child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(600,))
child.start()
print(child.pid, flush=True)
time.sleep(600)
"""
semaphores = pytest.mark.skipif(
    not Path("/dev/shm").exists(), reason="named semaphores are files on Linux only"
)


@semaphores
@pytest.mark.parametrize("killed", [True, False], ids=["leader killed before", "alive"])
def test_a_session_that_is_ended_leaves_no_process_and_no_semaphore(killed: bool) -> None:
    leader = subprocess.Popen(
        [sys.executable, "-c", LEADER], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert leader.stdout is not None
    semaphore = Path("/dev/shm") / ("sem." + leader.stdout.readline().strip().lstrip("/"))
    child = int(leader.stdout.readline())
    assert semaphore.exists()
    if killed:
        leader.kill()
        leader.wait()
        assert os.getsid(child) == leader.pid
    subprocess.run([sys.executable, HELPERS / "process_session.py", str(leader.pid)], check=True, timeout=20)
    leader.stdout.close()
    assert leader.wait(5) == -(signal.SIGKILL if killed else signal.SIGTERM)
    assert not semaphore.exists()
    stat = Path(f"/proc/{child}/stat")
    assert not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] in "ZX"
