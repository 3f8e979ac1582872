"""The OpenAPI document against a real server, with all of schemathesis' checks, for a bounded time.

The same requests in each run: other ones are for a person who looks at what they find (``docs/decisions/0192…``).
"""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest
from contracts.served import served

from trialogue.agent.ledger.ledger import Ledger
from trialogue.agent.study.study import Study
from trialogue.evaluators.problems.problem import Problem

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("schemathesis") is None, reason="schemathesis is not installed"
    ),
]
SECONDS = 40
PLAIN = {"name": "fuzzed", "space": {"parameters": {"x": {"type": "float", "low": 0, "high": 1}}}}


def test_the_service_does_what_its_document_says(tmp_path: Path) -> None:
    ledger = Ledger(f"sqlite:///{tmp_path}/contract.db")
    Study(Problem.from_dict(PLAIN), storage=ledger, strategy="random")
    program = "from schemathesis.cli import schemathesis; schemathesis()"
    config = str(Path(__file__).with_name("schemathesis.toml"))
    with served("", ledger=ledger, requests_per_minute=10**9) as url:
        options = f"--checks all -n 5 --max-time {SECONDS} --generation-deterministic --no-color".split()
        command = [
            sys.executable,
            "-c",
            program,
            "--config-file",
            config,
            "run",
            f"{url}/openapi.json",
            *options,
        ]
        run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stdout[-8_000:] + run.stderr[-2_000:]
    tried = re.search(r"(\d[\d,]*) generated", run.stdout)
    assert tried, run.stdout[-2_000:]
    assert int(tried[1].replace(",", "")) > 100
