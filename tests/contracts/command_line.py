"""``trialogue …`` in this process: what it printed, and how it ended."""

import subprocess
from collections.abc import Callable

import pytest

from trialogue.api.cli.app import main

Cli = Callable[..., subprocess.CompletedProcess[str]]


def in_process(capsys: pytest.CaptureFixture[str]) -> Cli:
    """Return a function that runs a command and returns what it did."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        with pytest.raises(SystemExit) as end:
            main(arguments)
        printed = capsys.readouterr()
        return subprocess.CompletedProcess(
            list(arguments), int(end.value.code or 0), printed.out, printed.err
        )

    return run


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run a command that succeeds, and return what it printed."""
    done = in_process(capsys)(*arguments)
    assert not done.returncode, done.stderr
    return done.stdout
