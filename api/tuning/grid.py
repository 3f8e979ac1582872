"""``trialogue load-grid``: what one configuration carries by length of prompt and answer and by requests at once.

Takes the options, starts one server, prints a table with the front, and keeps ``grid.json`` and ``grid.html``. A cell that
is in ``grid.json`` is not measured again. Knows the terminal; not how loads are measured.
"""

import html
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from ...evaluators.engines.grid import Cell, by_shape, cells, front
from ...serving.errors import InvalidInput
from . import arguments as given
from .options import FOLDERS, Engine, Options, kept_in
from .page import HEIGHT, MARGIN, STYLE, WIDTH

COLORS = ("#4a7ebb", "#b33", "#3a8a4d", "#8a5ab3", "#b3792d", "#2d8f9b", "#777", "#c2508a")
GRID = "grid.json"
HEAD = f"{'in→out':>12} {'at once':>8} {'tok/s user':>11} {'tok/s device':>13} {'TTFT p99 ms':>12} {'TPOT p99 ms':>12}"


def load_grid(
    model: Annotated[str, typer.Argument(help="As for tune-vllm or tune-llama.")],
    engine: Annotated[str, typer.Option(help="vllm, llama or sglang.")] = "vllm",
    inputs: Annotated[str, typer.Option("--input", help="Lengths of prompts in tokens.")] = "128,1024",
    outputs: Annotated[str, typer.Option("--output", help="Lengths of answers in tokens.")] = "64,256",
    concurrency: Annotated[str, typer.Option(help="Requests at once.")] = "1,4,16,64",
    fix: given.Fix = None,
    env: given.Env = None,
    folder: given.Folder = None,
    start_timeout: given.StartTimeout = None,
) -> None:
    """Measure a grid of prompt and answer lengths by requests at once, and say which cells nothing beats.

    Tokens/s of a user against tokens/s of a device, such as: trialogue load-grid MODEL --input 128,1024 --concurrency 1,4,16.
    Flags of a tuning's recommendation are given with --fix. The same command goes on where it stopped.
    """
    kind: Engine | None = next((e for e, word in FOLDERS.items() if word == engine), None)
    if kind is None:
        raise InvalidInput(f"`--engine` must be one of {', '.join(FOLDERS.values())}, got {engine!r}.")
    grid = cells(
        *(_numbers(t, n) for n, t in (("input", inputs), ("output", outputs), ("concurrency", concurrency)))
    )
    largest = max(grid, key=lambda c: c.input_len + c.output_len)
    own = folder or Path("runs") / f"{engine}-grid-{Path(model).name}"
    workload = largest.workload().name
    options = Options(
        kind, model, workload, fix=fix, env=env, folder=own, rungs="none", start_timeout=start_timeout
    )
    print(_measured(options, grid))


def _measured(options: Options, grid: Sequence[Cell]) -> str:
    plan, wanted = options.plan(), options.wanted()
    record = _read(wanted.folder / GRID)
    setup = _prepared(options.engine)(wanted, plan.objective, (), say=print)
    with kept_in(wanted.folder), setup as (target, space, _):
        command = target.spec(space.default()).command()
        if record.get("command", command) != command:
            raise InvalidInput(
                f"`--folder` {str(wanted.folder)!r} holds a grid of another server, {record['command']!r}, now {command!r}; "
                "give another `--folder`."
            )
        print(f"{'':4} {HEAD}")
        done = {cell.key: cell for cell in (Cell(**plain) for plain in record.get("cells", ()))}
        for i, cell in enumerate(grid, 1):
            if cell.key not in done:
                done[cell.key] = _loaded(target, space.default(), cell)
                _write(wanted.folder / GRID, command, done.values())
            print(f"{i}/{len(grid)}: {_line(done[cell.key])}")
    shown = [done[c.key] for c in grid]
    (wanted.folder / "grid.html").write_text(page(command, shown))
    return "\n".join(
        ["", *table(shown), f"\nkept in {str(wanted.folder)!r}: grid.html, {GRID}, attempts.jsonl"]
    )


def _prepared(engine: Engine) -> Any:  # Any: the engine's own, of one signature; imported on use
    if engine == "vLLM":
        from ...evaluators.vllm.setup import prepared
    elif engine == "SGLang":
        from ...evaluators.engines.sglang import prepared
    else:
        from ...evaluators.engines.llama_cpp import prepared
    return prepared


def _loaded(
    target: Any, params: Any, cell: Cell
) -> Cell:  # Any: a ServerTarget and its parameters, imported on use
    target.settings = replace(target.settings, workload=cell.workload())
    attempt = target.measure(params, reuse=False, label=f"{cell.shape} x {cell.concurrency}")
    if attempt.failure is not None:
        if attempt.failure.phase == "start":  # no other cell would start either
            attempt.require("The server")
        return replace(cell, failed=str(attempt.failure))
    return replace(cell, metrics=attempt.mean())


def table(grid: Sequence[Cell]) -> list[str]:
    """Return the grid in lines, shape by shape; a star marks the cells of its shape that nothing beats in both."""
    rows = [HEAD]
    for _, of_shape in by_shape(grid):
        best = front(of_shape)
        rows += [f"{_line(cell)}{' *' if cell in best else ''}" for cell in of_shape]
    return [*rows, "* of its shape no other cell is faster both for the user and for the device"]


def _line(cell: Cell) -> str:
    if cell.failed:
        return f"{cell.shape:>12} {cell.concurrency:>8} failed: {cell.failed}"
    m = cell.metrics
    return (
        f"{cell.shape:>12} {cell.concurrency:>8} {cell.user_tok_s:>11.4g} {cell.device_tok_s:>13.4g} "
        f"{m.get('ttft_p99_ms', 0.0):>12.4g} {m.get('tpot_p99_ms', 0.0):>12.4g}"
    )


def page(command: str, grid: Sequence[Cell]) -> str:
    """Return the grid as one HTML page: the figure and the table."""
    text = html.escape("\n".join(table(grid)))
    return (
        f'<!doctype html><meta charset="utf-8"><title>load grid</title><style>{STYLE}</style><h1>Tokens/s of a user against '
        f"tokens/s of a device</h1><pre>{html.escape(command)}</pre>{figure(grid)}<pre>{text}</pre>"
    )


def figure(grid: Sequence[Cell]) -> str:
    """Return an SVG: a colour per shape, cells as circles, those that nothing beats filled and joined."""
    measured = [c for c in grid if not c.failed]
    right = 1.05 * max((c.user_tok_s for c in measured), default=1.0)
    top = 1.05 * max((c.device_tok_s for c in measured), default=1.0)

    def place(c: Cell) -> tuple[float, float]:
        x = MARGIN + c.user_tok_s / right * (WIDTH - MARGIN)
        return x, HEIGHT - MARGIN - c.device_tok_s / top * (HEIGHT - MARGIN)

    shapes = [f'<path d="M{MARGIN} 0V{HEIGHT - MARGIN}H{WIDTH}" fill="none" stroke="#888"/>']
    for i, (shape, of_shape) in enumerate(by_shape(measured)):
        color, best = COLORS[i % len(COLORS)], front(of_shape)
        joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(place, best))
        shapes.append(f'<polyline points="{joined}" fill="none" stroke="{color}"/>')
        shapes += [_dot(*place(c), color, c, filled=c in best) for c in of_shape]
        shapes.append(
            f'<text x="{WIDTH - 110}" y="{14 * (i + 1)}" fill="{color}" style="fill:{color}">{shape}</text>'
        )
    shapes += [
        f'<text x="{MARGIN + 6}" y="12">tokens/s of a device (axis to {top:.4g})</text>',
        f'<text x="{MARGIN}" y="{HEIGHT - 18}">tokens/s of a user (axis to {right:.4g})</text>',
    ]
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" role="img">{"".join(shapes)}</svg>'


def _dot(x: float, y: float, color: str, cell: Cell, *, filled: bool) -> str:
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" stroke="{color}" fill="{color if filled else "none"}">'
        f"<title>{cell.shape}, {cell.concurrency} at once</title></circle>"
    )


def _numbers(text: str, name: str) -> list[int]:
    try:
        return [int(t) for t in text.split(",")]
    except ValueError:
        raise InvalidInput(f"`--{name}` must be whole numbers with commas between, got {text!r}.") from None


def _read(path: Path) -> dict[str, Any]:  # Any: JSON
    if not path.exists():
        return {}
    try:
        return json.loads(path.read_text())
    except ValueError:
        raise InvalidInput(
            f"{str(path)!r} must hold a grid, but cannot be read; give another `--folder`."
        ) from None


def _write(path: Path, command: str, done: Iterable[Cell]) -> None:
    part = path.with_suffix(".part")
    part.write_text(json.dumps({"command": command, "cells": [asdict(c) for c in done]}, indent=1))
    part.replace(path)
