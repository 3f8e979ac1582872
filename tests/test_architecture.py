"""The walls of the house: which room may import which, what a module must say, what ships.

These are rules that a reviewer would otherwise repeat. They read the source; only the last two run anything.
"""

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
STAIRS = ("serving", "evaluators", "prompts", "surrogates", "agent", "api")  # each may import those before it
ORDER = {
    "serving": ("", "endpoints", "embedded", "models", "servers", "llama_cpp", "sglang", "vllm", "scripted"),
    "evaluators": (
        "", "schedules", "gradients", "statistics", "spaces", "trees", "problems", "programs", "targets", "traffic", "servers",
        "engines", "vllm",
    ),
    "prompts": ("", "histories"),
    "surrogates": ("", "models", "optim", "alternatives", "options", "engine"),
    "agent": (
        "", "ledger", "certainty", "referee", "views", "planner", "strategies", "optuna", "counterfactual", "evaluation",
        "study", "verbs", "tuning", "chat",
    ),
    "api": (
        "", "study_files", "reports", "terminal", "client", "doctor", "tuning", "http", "service", "routes", "mcp", "server",
        "cli", "gate", "gallery", "models", "dimension",
    ),
}  # fmt: skip
"""The folders of each room, lowest first: a module imports from its own folder and those before it."""

HEAVY = {
    "botorch", "fastapi", "gpytorch", "langchain", "mcp", "numpy", "openai", "optuna", "pandas", "plotly",
    "scipy", "sklearn", "sqlalchemy", "torch", "transformers",
}  # fmt: skip


def tracked() -> list[Path]:
    """Files of the repository as git knows them, new ones included."""
    command = ["git", "ls-files", "-co", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    return [ROOT / name for name in listed if name and (ROOT / name).is_file()]


def packages() -> list[str]:
    """The packages that ship, as paths below the root: ``agent``, …, and sub-packages that are listed."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    names = settings["tool"]["setuptools"]["packages"]
    return [n.removeprefix("trialogue").removeprefix(".").replace(".", "/") for n in names]


def modules() -> list[Path]:
    return sorted(p for package in packages() if package for p in (ROOT / package).glob("*.py"))


MODULES = modules()
NAMES = [str(p.relative_to(ROOT)) for p in MODULES]


@cache
def imports(path: Path) -> list[tuple[int, str, ast.stmt]]:
    """(level, module, statement) of each import statement; level 0 is absolute."""
    found: list[tuple[int, str, ast.stmt]] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            found.append((node.level, node.module or "", node))
        elif isinstance(node, ast.Import):
            found += [(0, alias.name, node) for alias in node.names]
    return found


@cache
def targets(path: Path) -> set[str]:
    """Modules of the package that a module imports, lazily or at its top, as dotted names below the root."""
    here = path.relative_to(ROOT).with_suffix("").parts[:-1]
    known = modules_by_name()
    found: set[str] = set()
    for level, module, node in imports(path):
        if level and isinstance(node, ast.ImportFrom):
            base = [*here[: len(here) - level + 1], *(module.split(".") if module else [])]
            for alias in node.names:
                named = ".".join([*base, alias.name])
                found.add(named if named in known else ".".join(base))
    return (found & known) - {dotted(path)}


@cache
def modules_by_name() -> frozenset[str]:
    return frozenset(dotted(p) for p in MODULES)


@cache
def dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def folder(module: str) -> tuple[str, str]:
    """Return the room and the folder in it ('' for the room itself) of a dotted module."""
    room, *rest = module.split(".")
    in_folder = bool(rest) and (ROOT / room / rest[0] / "__init__.py").exists()
    return room, rest[0] if in_folder else ""


def runs_down(importer: str, imported: str) -> bool:
    if importer.endswith("__main__"):  # an entry point stands above its room
        return True
    (room, place), (other_room, other) = folder(importer), folder(imported)
    if room != other_room:
        return STAIRS.index(other_room) < STAIRS.index(room)
    return ORDER[room].index(other) <= ORDER[room].index(place)


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_imports_go_down_the_stairs(path: Path) -> None:
    name = str(path.relative_to(ROOT))
    upwards = {t for t in targets(path) if not runs_down(dotted(path), t)}
    assert not upwards, f"{name} may not import {upwards}: see ORDER; move the value down."


def test_no_modules_import_each_other() -> None:
    arrows = {dotted(p): targets(p) for p in MODULES}
    assert not circles(arrows)


def circles(arrows: dict[str, set[str]]) -> list[set[str]]:
    """Return the sets of modules that reach each other."""

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        stack = [start]
        while stack:
            for following in arrows[stack.pop()] - seen:
                seen.add(following)
                stack.append(following)
        return seen

    reach = {module: reached(module) for module in arrows}
    found: list[set[str]] = []
    for module in sorted(arrows):
        circle = {other for other in reach[module] if module in reach[other]}
        if circle and circle not in found:
            found.append(circle)
    return found


def test_every_folder_has_its_place() -> None:
    folders = {p for p in packages() if "/" in p}
    ordered = {f"{room}/{place}" for room, places in ORDER.items() for place in places if place}
    assert {f for f in folders if f.count("/") == 1} == ordered


def test_a_folder_holds_at_most_12_modules() -> None:
    full = {
        package: count
        for package in packages()
        if package
        and (count := sum(p.parent == ROOT / package and p.name != "__init__.py" for p in MODULES)) > 12
    }
    assert not full, f"a folder is a room of its own by now: {full}"


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_the_package_imports_itself_relatively(path: Path) -> None:
    absolute = [name for level, name, _ in imports(path) if level == 0 and name.split(".")[0] == "trialogue"]
    assert not absolute, f"write `from ..room import …` instead of {absolute}."


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_no_import_hides_a_cycle(path: Path) -> None:
    assert "TYPE_CHECKING" not in path.read_text(), (
        "an import under TYPE_CHECKING hides a cycle: move the type down."
    )


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_a_module_says_what_it_is_for(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
    assert len(docstring) > 20, "a module opens with a docstring, before any import."


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_a_module_stops_at_400_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400, "one idea per module: split it."


def test_no_room_has_an_unlisted_subpackage() -> None:
    nested = {
        str(p.parent.relative_to(ROOT)) for room in STAIRS for p in (ROOT / room).glob("*/**/__init__.py")
    }
    assert nested <= set(packages()), "list the sub-package in pyproject.toml, or it is missing in the wheel."


def test_names_that_say_nothing_are_not_used() -> None:
    assert not [n for n in NAMES if re.search(r"(^|/)(utils?|common|helpers?|misc|manager)\.py$", n)]


def test_no_file_names_a_machine() -> None:
    words = [
        r"/roo" + r"t/",
        r"/wor" + r"k/(main|shared)",
        r"/opt/" + r"(wheels|pypi)",
        r"/home/" + r"[a-z]+/",
    ]
    pattern = re.compile("|".join(words))
    texts = [
        p
        for p in tracked()
        if p.suffix in {".py", ".md", ".toml", ".txt", ".html", ".js", ".css", ".json", ""}
    ]
    named = [str(p.relative_to(ROOT)) for p in texts if pattern.search(p.read_text(errors="ignore"))]
    assert not named, f"paths of one machine stand in {named}."


def test_decisions_are_numbered_once() -> None:
    numbers = [p.name[:4] for p in (ROOT / "docs" / "decisions").glob("[0-9]*.md")]
    assert len(numbers) == len(set(numbers)), f"a number is used twice: {sorted(numbers)}"


@pytest.mark.parametrize("statement", ["import trialogue", "import trialogue.api.cli.app"])
def test_importing_costs_nothing_heavy(statement: str) -> None:
    code = f"import sys; {statement}; print(*{{m.split('.')[0] for m in sys.modules}})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not HEAVY & set(loaded.split())


def test_a_study_is_opened_without_loading_tables_of_distributions() -> None:
    code = "import sys, trialogue; trialogue.Study; print([m for m in sys.modules if m in ('scipy.stats', 'torch')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]", "scipy.special has most of them, half a second sooner"


def test_every_public_name_exists() -> None:
    import trialogue

    for name in trialogue.__all__:
        assert getattr(trialogue, name).__name__ == name


@pytest.mark.slow
def test_the_wheel_holds_the_tree(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for path in tracked():
        copy = source / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        "..",
        ".",
    ]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        shipped = {n.removeprefix("trialogue/") for n in wheel.namelist() if n.startswith("trialogue/")}
    files = {str(p.relative_to(ROOT)) for p in tracked()}
    expected = {f for f in files if f.split("/")[0] in STAIRS} | {"__init__.py", "py.typed"}
    assert shipped == expected, f"missing: {expected - shipped}; too much: {shipped - expected}"


def test_every_folder_stands_in_the_description_of_the_house() -> None:
    told = (ROOT / "docs" / "architecture.md").read_text()
    folders = {p for p in packages() if "/" in p}
    assert not {p for p in folders if f"| `{p}/` |" not in told}, "add it to docs/architecture.md"
    named = {n.rstrip("/") for n in re.findall(r"^\| `([a-z_/]+/)` \|", told, re.MULTILINE)}
    assert named == folders
