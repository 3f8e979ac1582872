"""Invariants of the house: fences, sizes, unique names, mirrors. Allow-lists here may only shrink.

The walls between rooms and the order of folders are in ``test_architecture.py``; this file holds what would otherwise
come back one exception at a time.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from test_architecture import MODULES, NAMES, ROOT, STAIRS, imports, packages

from trialogue.api.cli.app import COMMANDS
from trialogue.serving import errors as serving_errors

FENCES = {
    "sqlalchemy": {"agent/ledger", "agent/views", "agent/optuna"},
    "optuna": {"agent/ledger", "agent/optuna", "evaluators/spaces"},
    "langchain": {"agent/chat"},
    "botorch": {"surrogates/alternatives"},
    "fastapi": {"api/http", "api/service", "api/routes", "api/mcp", "api/server"},
    "starlette": {"api/http", "api/service", "api/routes", "api/mcp", "api/server"},
    "typer": {
        "api",
        "api/cli",
        "api/tuning",
        "api/doctor",
        "api/gallery",
        "api/gate",
        "api/models",
        "api/dimension",
    },
    "torch": {"serving/embedded", "serving/models", "surrogates/alternatives", "evaluators/gradients"},
    "subprocess": {
        "serving/models",
        "serving/servers",
        "serving/llama_cpp",
        "serving/sglang",
        "evaluators/programs",
        "evaluators/vllm",
    },
}
"""A library, and the folders that may import it; targets and what stands in ``OVER`` are free."""

OVER = {
    "sqlalchemy": {
        "agent/chat/endpoint.py", "agent/chat/transcript.py", "agent/study/ask.py", "api/cli/serve.py",
        "api/reports/drawing.py", "api/routes/events.py", "api/service/event_hub.py",
        "api/service/keys.py", "api/service/reaper.py",
    },
    "optuna": {
        "agent/study/study.py", "api/reports/importance.py", "api/server/app.py",
    },
    "typer": {"api/terminal/session.py"},
    "torch": {"api/doctor/doctor.py", "surrogates/threads.py"},
    "subprocess": {"api/cli/chat.py"},
}  # fmt: skip
"""Modules that still reach over a fence."""

LONG = {
    "api/cli/compare.py:compare", "api/cli/run.py:run", "api/cli/serve.py:serve", "api/tuning/serve_model.py:serve_model",
    "surrogates/optim/search.py:_polish",
}  # fmt: skip
"""Functions of more than 40 lines. Commands are among them: an option and its help are a line each."""

WIDE = {
    "agent/strategies/avoidance.py:detour",
    "agent/tuning/odds.py:_blame", "api/routes/trials.py:trials", "evaluators/problems/problem.py:__init__",
    "evaluators/servers/target.py:_attempt", "evaluators/servers/target.py:_failed",
    "evaluators/spaces/conditions.py:_condition", "surrogates/optim/acquisition.py:worth_repeating",
    "surrogates/engine/engine.py:_objective", "surrogates/engine/engine.py:_outcome",
    "surrogates/models/feasibility.py:fit_classifier", "surrogates/models/gp.py:_slice_step",
    "surrogates/models/outcome.py:_fit_kind", "surrogates/optim/search.py:_round",
}  # fmt: skip
"""Functions of more than five positional parameters; commands are not counted, their parameters are options."""

TWICE: set[str] = set()
"""Class names that still stand for two things."""

PROBED = {"agent/study/loop.py"}
"""Modules of the study's path that ask an object for an attribute it may lack."""

PARTICIPLES = {
    "asked", "begun", "chosen", "drawn", "found", "given", "held", "kept", "known", "learnt", "listed", "made", "moved",
    "named", "said", "seen", "stated", "taken", "told", "tried",
}  # fmt: skip
"""Names that say that a variable was filled, not what with: `rows`, `match` or `failure` in place of `found`."""

SPOKEN: set[str] = set()
"""Local variables that are still called so, as ``path:function:name``; parameters are not counted."""

UNTESTED_FOLDERS = {"serving/scripted"}
"""Folders whose modules are tested through others only."""

COMMAND_FOLDERS = ("api/cli", "api/tuning", "api/doctor", "api/gate", "api/gallery", "api/dimension")

CODE_LINES = {
    "serving": 3_265,
    "evaluators": 7_400,
    "prompts": 1_420,
    "surrogates": 3_680,
    "agent": 11_500,
    "api": 7_700,
}
"""Lines of a room that hold code, targets aside: raised only with a decision."""


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


TREES = {name(p): ast.parse(p.read_text()) for p in MODULES}


def functions() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Every function of the package, as ``path:name``."""
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{path}:{node.name}", node


def is_target(path: str) -> bool:
    return path.startswith("evaluators/targets/")


@pytest.mark.parametrize("library", sorted(FENCES))
def test_a_library_stays_behind_its_fence(library: str) -> None:
    importers = {
        name(p)
        for p in MODULES
        if any(not level and m.split(".")[0] == library for level, m, _ in imports(p))
    }
    over = {p for p in importers if str(Path(p).parent) not in FENCES[library] and not is_target(p)}
    free = OVER.get(library, set())
    assert over <= free, f"{library} is imported outside {FENCES[library]}: {over - free}"
    assert free <= over, f"remove from OVER what no longer reaches over the fence: {free - over}"


def test_functions_stop_at_40_lines() -> None:
    long = {
        f for f, node in functions() if (node.end_lineno or 0) - node.lineno + 1 > 40 and not is_target(f)
    }
    assert long <= LONG, f"split what is longer than 40 lines: {long - LONG}"
    assert long >= LONG, f"remove from LONG what is short by now: {LONG - long}"


def arguments(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> set[str]:
    every = (
        *node.args.posonlyargs,
        *node.args.args,
        *node.args.kwonlyargs,
        node.args.vararg,
        node.args.kwarg,
    )
    return {a.arg for a in every if a is not None}


def spoken() -> Iterator[str]:
    """Local variables that are called as participles."""
    for function, node in functions():
        names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        nested = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
        parameters = {a for n in ast.walk(node) if isinstance(n, nested) for a in arguments(n)}
        yield from (f"{function}:{name}" for name in (names & PARTICIPLES) - parameters)


def test_variables_are_nouns_of_their_content() -> None:
    names = set(spoken())
    assert names <= SPOKEN, f"say what the value is, not how it came: {names - SPOKEN}"
    assert names >= SPOKEN, f"remove from SPOKEN: {SPOKEN - names}"


def positional(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    names = [a.arg for a in (*node.args.posonlyargs, *node.args.args)]
    return len(names) - (names[:1] in (["self"], ["cls"]))


def test_functions_take_at_most_five_positional_parameters() -> None:
    wide = {f for f, node in functions() if positional(node) > 5 and not f.startswith(COMMAND_FOLDERS)}
    assert wide <= WIDE, (
        f"make the optional ones keyword-only, or make one value of what belongs together: {wide - WIDE}"
    )
    assert wide >= WIDE, f"remove from WIDE what takes few by now: {WIDE - wide}"


def test_a_class_name_stands_for_one_thing() -> None:
    places: dict[str, set[str]] = defaultdict(set)
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].add(path)
    twice = {n: p for n, p in places.items() if len(p) > 1}
    assert twice.keys() <= TWICE, f"rename one of them: { {n: twice[n] for n in twice.keys() - TWICE} }"
    assert twice.keys() >= TWICE, f"remove from TWICE: {TWICE - twice.keys()}"


def has_splat(tree: ast.Module) -> bool:
    """Whether a dict literal is unpacked where it stands, in a call or in another literal."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            parts = [v for k, v in zip(node.keys, node.values, strict=True) if k is None]
        elif isinstance(node, ast.Call):
            parts = [k.value for k in node.keywords if k.arg is None]
        else:
            continue
        if any(isinstance(part, ast.Dict) for part in parts):
            return True
    return False


def test_no_literal_is_unpacked_where_it_stands() -> None:
    splats = {path for path, tree in TREES.items() if has_splat(tree)}
    assert not splats, f"name the arguments: {splats}"


def probes(tree: ast.Module) -> bool:
    """Whether ``getattr(object, name, default)`` asks for an attribute an object may lack."""
    return any(
        isinstance(n, ast.Call)
        and isinstance(n.func, ast.Name)
        and n.func.id == "getattr"
        and len(n.args) == 3
        for n in ast.walk(tree)
    )


def test_protocols_have_no_trapdoors() -> None:
    folders = ("agent/strategies/", "agent/planner/", "agent/referee/", "agent/study/")
    probed = {path for path, tree in TREES.items() if path.startswith(folders) and probes(tree)}
    assert probed <= PROBED, f"put the attribute on the protocol: {probed - PROBED}"
    assert probed >= PROBED, f"remove from PROBED: {PROBED - probed}"


def test_the_drawn_tree_of_errors_is_the_tree() -> None:
    for path in NAMES:
        if path.endswith("errors.py"):
            import_module("trialogue." + path.removesuffix(".py").replace("/", "."))
    drawing = serving_errors.__doc__ or ""
    missing = {
        c.__name__
        for c in below(serving_errors.TrialogueError)
        if not re.search(rf"\b{c.__name__}\b", drawing)
    }
    assert not missing, f"draw {missing} in serving/errors.py"


def below(error: type[Exception]) -> set[type[Exception]]:
    """Public errors of the package's ``errors`` modules that derive from ``error``."""
    children = {c for c in error.__subclasses__() if c.__module__.endswith(".errors")}
    return children | {grandchild for child in children for grandchild in below(child)}


def test_tests_mirror_the_rooms() -> None:
    stems = {p.with_suffix("") for p in (Path(n) for n in NAMES)}
    strays = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        place = path.relative_to(ROOT / "tests").parent
        if place.parts and place.parts[0] in STAIRS and "helpers" not in place.parts:
            subject = path.stem.removeprefix("test_")
            words = subject.split("_")
            if not any(place / "_".join(words[:n]) in stems for n in range(1, len(words) + 1)):
                strays.add(str(path.relative_to(ROOT)))
    assert not strays, f"a test file begins with the name of the module it tests: {strays}"


def test_every_folder_has_tests() -> None:
    folders = {
        p
        for p in packages()
        if "/" in p and any(f.parent == ROOT / p and f.name != "__init__.py" for f in MODULES)
    }
    untested = {p for p in folders if not any((ROOT / "tests" / p).glob("test_*.py"))}
    assert untested <= UNTESTED_FOLDERS, f"write tests/{{folder}}/test_….py for {untested - UNTESTED_FOLDERS}"
    assert untested >= UNTESTED_FOLDERS, f"remove from UNTESTED_FOLDERS: {UNTESTED_FOLDERS - untested}"


def code_lines(path: str) -> int:
    """Lines that are neither blank, nor comment, nor docstring."""
    text = (ROOT / path).read_text()
    prose: set[int] = set()
    for node in ast.walk(TREES[path]):
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ):
            prose |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    lines = enumerate(text.splitlines(), 1)
    return sum(
        bool(line.strip()) and not line.lstrip().startswith("#") and n not in prose for n, line in lines
    )


@pytest.mark.parametrize("room", STAIRS)
def test_a_room_keeps_its_budget_of_lines(room: str) -> None:
    lines = sum(code_lines(path) for path in NAMES if path.split("/")[0] == room and not is_target(path))
    assert lines <= CODE_LINES[room], f"{room} has {lines} lines of code: delete before you raise CODE_LINES"


def test_messages_name_commands_that_exist() -> None:
    nodes = (node for tree in TREES.values() for node in ast.walk(tree))
    texts = [n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    commands = {m for text in texts for m in re.findall(r"`trialogue ([a-z][a-z-]*)", text)}
    assert commands <= COMMANDS.keys(), f"no such command: {commands - COMMANDS.keys()}"
