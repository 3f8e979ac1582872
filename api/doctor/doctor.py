"""``trialogue doctor``: is everything there that a study needs, and if not, what to do about it.

Each check is a function that returns findings; none raises for what it finds. Nothing is written and no trial is run;
an endpoint is asked for its models and for one short answer. Knows no study.
"""

import json
import os
import platform
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated

import typer

from ...agent.planner.specification import PLANNER_FORMS, PlannerText
from ...serving.errors import TrialogueError
from ..options import DEFAULT_STORAGE, AsJson, Storage
from .finding import Finding, State

SIGNS: dict[State, str] = {"ok": "✓", "note": "·", "bad": "✗"}


def doctor(
    planner: Annotated[
        str | None, typer.Option(metavar="SPEC", help=f"Check this planner: {PLANNER_FORMS}.")
    ] = None,
    storage: Storage = DEFAULT_STORAGE,
    timeout_s: Annotated[float, typer.Option(help="Seconds the endpoint may take.", min=0.1)] = 60.0,
    self_test: Annotated[
        bool, typer.Option("--self-test", help="Also test what the planner can do: a dozen calls.")
    ] = False,
    show_prompt: Annotated[
        bool, typer.Option("--show-prompt", help="Print exactly what a planner is sent, and end.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check Python, torch, the model's endpoint and the database. Ends with 2 when something must be put right."""
    if show_prompt:
        from .planner import shown_prompt

        print(shown_prompt(planner))
        return
    findings: list[Finding] = []
    for finding in _examine(planner, storage, timeout_s, self_test=self_test):
        findings.append(finding)
        if not as_json:
            _show(finding)
    if as_json:
        print(json.dumps([asdict(f) for f in findings], indent=1))
    bad = sum(f.state == "bad" for f in findings)
    if not as_json:
        print(f"\n{bad} to put right." if bad else "\nAll is well.")
    if bad:
        raise typer.Exit(2)


def _examine(planner: str | None, storage: str, timeout_s: float, *, self_test: bool) -> Iterator[Finding]:
    yield check_python()
    yield check_torch()
    yield check_database(storage)
    answers = True
    for finding in check_planner(planner, timeout_s):
        answers &= finding.state != "bad"
        yield finding
    if self_test and planner is not None and answers:
        from .planner import check_skill

        yield from check_skill(planner, timeout_s)


def check_python() -> Finding:
    """Say which Python runs, and on what."""
    detail = f"{platform.python_version()}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    return Finding("Python", "ok", detail)


def check_torch() -> Finding:
    """Say which torch is installed and whether it sees a GPU."""
    try:
        import torch
    except ImportError as error:
        return Finding("torch", "bad", str(error), "reinstall: make clean demo")
    started = time.monotonic()
    torch.linalg.cholesky(torch.eye(200, dtype=torch.float64))
    took_ms = 1000 * (time.monotonic() - started)
    device = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "no GPU (none is needed)"
    return Finding("torch", "ok", f"{torch.__version__}, {device}, a 200 × 200 Cholesky in {took_ms:.0f} ms")


def check_database(storage: str) -> Finding:
    """Say whether the database can be opened, and how many studies are in it."""
    from ...agent.ledger.ledger import Ledger

    shown = storage.split("://")[0] + "://…" + storage[-40:] if "@" in storage else storage
    file = storage.removeprefix("sqlite:///")
    if file != storage and not os.path.exists(file):
        folder = os.path.dirname(os.path.abspath(file))
        if os.path.isdir(folder) and os.access(folder, os.W_OK):
            return Finding("database", "ok", f"{shown}: not there yet; the first study creates it")
        return Finding(
            "database", "bad", f"{shown}: its folder cannot be written", f"create or open {folder!r}"
        )
    try:
        n_studies = len(Ledger(storage).names())
    except TrialogueError as error:
        return Finding("database", "bad", str(error), "see the message")
    return Finding("database", "ok", f"{shown}: {n_studies} studies")


def check_planner(spec: str | None, timeout_s: float) -> Iterator[Finding]:
    """Say what a planner specification would lead to: address, model, structured output."""
    if spec is None:
        yield Finding(
            "planner", "note", "none asked for: studies run with the surrogate alone", "--planner SPEC"
        )
    elif spec.startswith(("http://", "https://")):
        yield from check_served(spec, timeout_s)
    elif spec == "embedded":
        yield check_embedded()
    elif own := PlannerText.read(spec).own_server:
        from .endpoint import check_own_server

        yield from check_own_server(*own, timeout_s)
    else:
        yield Finding("planner", "bad", f"{spec!r} is not a planner", f"use one of {PLANNER_FORMS}")


def check_embedded() -> Finding:
    """Say whether the model that ships with the package is there."""
    from importlib.resources import files

    weights = [
        f
        for f in files("trialogue.serving.embedded").joinpath("weights").iterdir()
        if "safetensors" in f.name
    ]
    if not weights:
        return Finding("embedded model", "bad", "its weights are missing", "reinstall trialogue")
    from ...agent.planner.embedded import self_test
    from ...serving.errors import ServingError

    try:
        did = self_test()
    except ServingError as error:
        return Finding("embedded model", "bad", str(error), "reinstall trialogue")
    return Finding("embedded model", "ok", f"{len(weights[0].read_bytes()) / 1e6:.1f} MB, {did}")


def check_served(spec: str, timeout_s: float) -> Iterator[Finding]:
    """Say what an endpoint answers and, where it answers, prove each thing that a planner can use of it."""
    from .endpoint import check_capabilities, check_endpoint

    served = None
    for finding in check_endpoint(spec, timeout_s):
        served = finding.detail if finding.subject == "model" and finding.state == "ok" else served
        yield finding
    if served is not None:
        url, _, name = spec.partition("#")
        yield from check_capabilities(url, name or served, timeout_s)


def _show(finding: Finding) -> None:
    print(f"{SIGNS[finding.state]} {finding.subject:<15} {finding.detail}")
    if finding.cure and finding.state != "ok":
        print(f"  {'':<15} → {finding.cure}")
