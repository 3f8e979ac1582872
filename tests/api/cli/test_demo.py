"""The demo, as a newcomer meets it: it ends well, twice, without a network, and resumes nothing by accident."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from trialogue.api.cli.demo import who_proposes

Cli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.slow
def test_the_demo_ends_with_a_better_configuration_and_a_report(cli: Cli, tmp_path: Path) -> None:
    done = cli("demo", "--trials", "12", timeout_s=240)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "the default gives" in done.stdout
    assert "trialogue-demo.html" in done.stdout
    assert (tmp_path / "trialogue-demo.html").stat().st_size > 1_000_000
    again = cli("demo", "--quick", "--planner", "none", "--json", timeout_s=240)
    assert json.loads(again.stdout)["study"] == "demo-2"
    assert json.loads(again.stdout)["trials"] == 10


@pytest.mark.slow
def test_the_same_seed_gives_the_same_demo(cli: Cli, tmp_path: Path) -> None:
    first, second = (
        json.loads(cli("demo", "--trials", "8", "--planner", "none", "--json", timeout_s=240).stdout)
        for _ in range(2)
    )
    assert first["best"]["params"] == second["best"]["params"]


def test_who_takes_part_is_said() -> None:
    assert who_proposes(None) == "No model proposes: the Gaussian process works alone."
    assert "ships with trialogue" in who_proposes("embedded")
