import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from contracts.study import problem

from trialogue.agent.ledger import leases
from trialogue.agent.ledger.leases import own_lease, process_start, remote_lease, why_dead
from trialogue.agent.ledger.records import Failure
from trialogue.agent.study.study import Study


def test_a_process_on_this_machine_lives_whatever_the_clock_says() -> None:
    lease = own_lease(lasts_s=-1000)
    assert why_dead(lease, time.time()) is None
    assert why_dead(lease, time.time() + 1e9) is None


def test_an_ended_process_a_reused_pid_and_a_reboot_are_told_apart() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    now = time.time()
    assert "ended without telling" in str(why_dead(replace(own_lease(), pid=ended.pid), now))
    assert "ended without telling" in str(why_dead(replace(own_lease(), process_started="1"), now))
    assert "restarted" in str(why_dead(replace(own_lease(), boot_id="before"), now))


def test_a_process_in_another_container_cannot_be_looked_at() -> None:
    boot, _, _ = leases.boot_id().partition("/")
    lease, late = (
        replace(own_lease(lasts_s=lasts_s), boot_id=f"{boot}/pid:[1]", process_started="1")
        for lasts_s in (60, -1)
    )
    assert why_dead(lease, time.time()) is None
    assert "did not renew" in str(why_dead(late, time.time()))


def test_a_worker_elsewhere_lives_by_renewing() -> None:
    assert why_dead(remote_lease("w1", lasts_s=60), time.time()) is None
    assert "w1 did not renew" in str(why_dead(remote_lease("w1", lasts_s=-1), time.time()))
    other_host = replace(own_lease(lasts_s=60), host="elsewhere", boot_id="theirs/x")
    assert why_dead(other_host, time.time()) is None
    assert why_dead(other_host, time.time() + 61) is not None


def test_no_jump_of_the_wall_clock_ends_or_prolongs_a_lease() -> None:
    for jump_s in (-1e6, 1e6):
        now = time.time() + jump_s
        assert why_dead(remote_lease("w1", lasts_s=60), now) is None
        assert why_dead(remote_lease("w1", lasts_s=-1), now) is not None
    before = replace(
        remote_lease("w1", lasts_s=60), boot_id="before/x"
    )  # after a restart only the wall is left
    assert why_dead(before, time.time()) is None
    assert why_dead(before, time.time() + 61) is not None
    old = replace(remote_lease("w1", lasts_s=60), expires_mono=None)  # written by an older version
    assert why_dead(old, time.time() + 61) is not None


def test_a_study_s_trials_survive_a_jump_of_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    study = Study(problem(), strategy="random")
    held = study.ask(lease=remote_lease("w1", lasts_s=60))
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 86_400)
    assert study.reap(requeue=True) == []
    study.renew([held.number])
    monkeypatch.setattr(time, "time", lambda: real() - 86_400)
    assert study.reap(requeue=True) == []
    assert study.tell(held, 1.0).seconds == 0.0  # a negative time is none


def test_a_zombie_is_not_alive() -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    deadline = time.monotonic() + 5
    while process_start(child) is not None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert process_start(child) is None
    os.waitpid(child, 0)


def test_resuming_fails_only_what_dead_processes_hold(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/study.db"
    study = Study(problem(), storage=url, strategy="random")
    mine = study.ask()
    dead = study.ask(lease=replace(own_lease(), process_started="1"))
    late = study.ask(lease=remote_lease("w1", lasts_s=-1))
    fresh = study.ask(lease=remote_lease("w2"))
    again = Study(problem(), storage=url, strategy="random")
    states = {t.number: t.state for t in again.trials}
    assert states == {
        mine.number: "running",
        dead.number: "failed",
        late.number: "failed",
        fresh.number: "running",
    }
    failure = again.trial(dead.number).failure
    assert failure is not None
    assert failure.kind == "lost"
    assert "ended without telling" in failure.reason


def test_a_lost_trial_can_be_queued_again() -> None:
    study = Study(problem(), strategy="random")
    lost = study.ask(lease=remote_lease("w1", lasts_s=-1))
    assert study.reap(requeue=True) == [lost.number]
    again = study.ask()
    assert again.params == lost.params
    assert "trial 0 was lost" in again.reason
    assert study.trial(again.number).replicate == 1
    assert study.reap() == []


def test_a_configuration_that_kills_its_workers_is_left_alone() -> None:
    study = Study(problem(), strategy="random")
    first = study.ask(lease=remote_lease("w1", lasts_s=-1))
    for _ in range(2):
        study.reap(requeue=True)
        assert study.ask(lease=remote_lease("w2", lasts_s=-1)).params == first.params
    study.reap(requeue=True)
    assert study.ask().params != first.params


def test_an_interrupted_trial_is_queued_again_in_the_transaction_that_fails_it() -> None:
    study = Study(problem(), strategy="random")
    first = study.ask()
    record = study.finish(first.number, Failure("lost", "interrupted by the user (Ctrl-C)"), requeue=True)
    assert record.state == "failed"
    study.finish(
        first.number, Failure("lost", "interrupted by the user (Ctrl-C)"), requeue=True
    )  # told twice
    again, other = study.ask(2)
    assert again.params == first.params
    assert "Ctrl-C" in again.reason
    assert other.params != first.params


def test_renewing_keeps_a_lease_alive() -> None:
    study = Study(problem(), strategy="random")
    trial = study.ask(lease=remote_lease("w1", lasts_s=0.05))
    study.renew([trial.number])
    time.sleep(0.1)
    assert study.reap() == []


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_this_boot_and_process_have_names() -> None:
    assert leases.boot_id()
    assert process_start(os.getpid())
    assert process_start(2**22 + 1) is None
