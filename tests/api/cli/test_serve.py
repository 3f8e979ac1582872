"""``trialogue serve``, ``worker``, ``keys``, ``backup`` and ``restore`` as processes: how an operator uses them."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from contracts.served import served

from trialogue.api.client.study import RemoteStudy

pytestmark = pytest.mark.slow
Cli = Callable[..., subprocess.CompletedProcess[str]]
STUDY = """[study]
name = "square"
budget = { trials = 6 }
[problem]
objectives = [{ name = "y", direction = "minimize" }]
[parameters.x]
type = "float"
low = 0.0
high = 1.0
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "study.toml").write_text(STUDY + '[evaluator]\nfunction = "target:evaluate"\n')
    (tmp_path / "target.py").write_text("def evaluate(params):\n    return params['x'] ** 2\n")
    (tmp_path / "slow.toml").write_text(STUDY + '[evaluator]\nfunction = "target_slow:evaluate"\n')
    (tmp_path / "target_slow.py").write_text("import time\n\ndef evaluate(params):\n    time.sleep(60)\n")
    (tmp_path / "other.toml").write_text(
        (tmp_path / "study.toml").read_text().replace("high = 1.0", "high = 2.0")
    )
    return tmp_path


@pytest.fixture
def process(folder: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str, **more: Any) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "trialogue.api", *arguments]
        options: dict[str, Any] = {
            "cwd": folder,
            "text": True,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.STDOUT,
        }
        started.append(subprocess.Popen(command, env=os.environ, **options))
        return started[-1]

    yield start
    for one in started:
        one.kill()
        one.communicate()


def until(test: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            if test():
                return
        except httpx2.TransportError:
            pass
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.1)


def test_a_server_with_keys_a_worker_and_a_clean_end(process: Any, cli: Cli, folder: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    key = cli("keys", "add", "lab", "--study", "square").stdout.strip()
    assert "lab  write  square" in cli("keys", "list").stdout
    server = process("serve", "--port", port, "--keys", "--log-format", "json")
    url = f"http://127.0.0.1:{port}"
    until(lambda: httpx2.get(f"{url}/ready").status_code == 200)
    headers = {"Authorization": f"Bearer {key}"}
    assert httpx2.post(f"{url}/v1/studies", json={"toml": STUDY}, headers=headers).status_code == 201
    done = cli(
        "worker", "--url", url, "--study", "square", "--evaluator", "study.toml", "--once",
        env={"TRIALOGUE_API_KEY": key},
    )  # fmt: skip
    assert done.stdout == "6 trials\n", done.stderr
    refused = cli(
        "worker",
        "--url",
        url,
        "--study",
        "square",
        "--evaluator",
        "other.toml",
        env={"TRIALOGUE_API_KEY": key},
    )
    assert refused.returncode == 2
    assert "`high` of 'x'" in refused.stderr
    assert cli("backup", "copy.db").returncode == 0
    server.send_signal(signal.SIGTERM)
    log, _ = server.communicate(timeout=30)
    assert server.returncode in (0, -signal.SIGTERM)  # uvicorn ends with the signal that ended it
    assert '"study": "square"' in log
    assert key not in log
    assert cli("restore", "copy.db", "--storage", "sqlite:///again.db").returncode == 0
    assert '"trials": 6' in cli("list", "--json", "--storage", "sqlite:///again.db").stdout
    assert cli("restore", "copy.db").returncode == 2
    assert cli("restore", "study.toml", "--storage", "sqlite:///x.db").returncode == 2
    assert cli("keys", "remove", "lab").returncode == 0


def test_an_address_for_other_machines_needs_keys(cli: Cli) -> None:
    refused = cli("serve", "--host", "0.0.0.0")
    assert refused.returncode == 2
    assert "needs keys" in refused.stderr


def test_a_killed_worker_s_trial_is_tried_again_by_the_next(process: Any, folder: Path) -> None:
    with served(f"sqlite:///{folder}/killed.db", grace_s=0.1, reap_every_s=0.2) as url:
        httpx2.post(f"{url}/v1/studies", json={"toml": STUDY, "strategy": "random"})
        study = RemoteStudy.load("square", url=url)
        dying = process("worker", "--url", url, "--study", "square", "--evaluator", "slow.toml")
        until(lambda: any(t.state == "running" for t in study.trials))
        dying.kill()
        from trialogue.agent.ledger import schema
        from trialogue.agent.ledger.database import Database

        with Database(f"sqlite:///{folder}/killed.db").write() as connection:  # two minutes pass
            connection.execute(schema.leases.update().values(expires_mono=time.monotonic() - 1))
        until(lambda: study.trials[0].state == "failed")
        assert study.trials[0].failure.kind == "lost"  # pyright: ignore[reportOptionalMemberAccess]
        again = study.ask()
        assert again.params == dict(study.trials[0].params)
        assert "was lost" in again.reason


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_worker_s_trial_is_queued_again_at_once(
    process: Any, folder: Path, signal_number: signal.Signals
) -> None:
    with served(f"sqlite:///{folder}/interrupted.db") as url:
        httpx2.post(f"{url}/v1/studies", json={"toml": STUDY, "strategy": "random"})
        study = RemoteStudy.load("square", url=url)
        ending = process("worker", "--url", url, "--study", "square", "--evaluator", "slow.toml")
        until(lambda: any(t.state == "running" for t in study.trials))
        time.sleep(0.5)
        ending.send_signal(signal_number)
        ending.communicate(timeout=30)
        failure = study.trials[0].failure
        assert failure is not None
        assert (failure.kind, "interrupted" in failure.reason) == ("lost", True)
        assert study.ask().params == study.trials[0].params


def test_a_worker_straight_on_the_database(cli: Cli, folder: Path) -> None:
    assert cli("run", "study.toml", "--trials", "1").returncode == 0
    done = cli("worker", "--study", "square", "--evaluator", "study.toml", "--once", "--workers", "2")
    assert done.stdout.endswith("5 trials\n"), done.stderr
