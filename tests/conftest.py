"""What every test stands on: one thread, no keys, no network beyond this machine, and skips that count.

A part whose server or browser is missing is skipped in words; with ``TRIALOGUE_CI=1`` (set by ``.ci/run``, which
installs all of them) a skip is a failure.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# Before numpy and torch are imported: they read these once.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "N_THREADS", "N_THREADS_BATCH")
os.environ["OMP_WAIT_POLICY"] = "passive"  # threads that wait for others leave the core to them
for _name in _THREADS:  # the last two are llama-cpp-python's
    os.environ[_name] = "1"
for _name in [n for n in os.environ if n.startswith(("OPENAI_", "TRIALOGUE_"))]:
    if _name != "TRIALOGUE_CI" and not _name.startswith("TRIALOGUE_TEST_"):
        del os.environ[_name]
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["LANGSMITH_TRACING"] = "false"
# A gate that a shell started in the background ignores Ctrl-C, and so would every program that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

import pytest  # noqa: E402 - the variables above come first
from hypothesis import HealthCheck, settings  # noqa: E402

STRICT = os.environ.get("TRIALOGUE_CI") == "1"
# A loaded machine is no failure; the gate tries the same examples every time, developers' runs try new ones.
settings.register_profile(
    "shared", deadline=None, derandomize=STRICT, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("shared")
ROOT = Path(__file__).resolve().parents[1]


class NetworkUsed(AssertionError):
    """A test tried to reach another machine."""


def _guarded(connect: Callable[..., Any]) -> Callable[..., Any]:
    def checked(self: socket.socket, address: Any, /) -> Any:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_loopback(str(address[0])):
            raise NetworkUsed(
                f"Tests stay on this machine, but one connects to {address!r}; use a local server."
            )
        return connect(self, address)

    return checked


def _is_loopback(host: str) -> bool:
    return host.startswith("127.") or host in ("::1", "localhost", "0.0.0.0", "::")


socket.socket.connect = _guarded(socket.socket.connect)
socket.socket.connect_ex = _guarded(socket.socket.connect_ex)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Turn a skip into a failure under ``TRIALOGUE_CI=1``."""
    report = yield
    if STRICT and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, but with TRIALOGUE_CI=1 every test must run: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    """Turn a skipped module into a failure under ``TRIALOGUE_CI=1``."""
    report = yield
    if STRICT and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"module skipped, but with TRIALOGUE_CI=1 every test must run: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a Chromium, or a skip. Flags that work headless: ``--headless --no-sandbox --disable-gpu``."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no Chromium on PATH (Debian: apt-get install chromium)")
    return path


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """URL of an empty PostgreSQL database of a server that lives as long as the session, or a skip."""
    given = os.environ.get("TRIALOGUE_TEST_POSTGRES")
    if given:
        yield given
        return
    binaries = _postgres_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL server (Debian: apt-get install postgresql)")
    with tempfile.TemporaryDirectory(prefix="trialogue-pg-") as folder:
        yield from _postgres(binaries, Path(folder))


@pytest.fixture(scope="session")
def smollm2() -> str:
    """The name of SmolLM2, installed, or a skip."""
    from trialogue.serving.errors import InvalidInput
    from trialogue.serving.models.pretrained import model_folder

    try:
        model_folder("smollm2")
    except InvalidInput as error:
        pytest.skip(str(error))
    return "smollm2"


def _postgres_binaries() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")) or [
        Path(p) for p in [shutil.which("initdb")] if p
    ]
    return found[-1].parent if found else None


def _postgres(binaries: Path, folder: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    as_user: list[str] = []
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        shutil.chown(folder, "postgres")
        as_user = ["runuser", "-u", "postgres", "--"]
    data = folder / "data"
    quiet: dict[str, Any] = {"check": True, "stdout": subprocess.DEVNULL, "cwd": folder}
    initdb = [
        *as_user,
        str(binaries / "initdb"),
        "-D",
        str(data),
        "-U",
        "trialogue",
        "-A",
        "trust",
        "-E",
        "UTF8",
    ]
    subprocess.run([*initdb, "--no-sync", "--locale=C.UTF-8"], **quiet)
    control = [*as_user, str(binaries / "pg_ctl"), "-D", str(data), "-w", "-l", str(folder / "log")]
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
    subprocess.run([*control, "-o", options, "start"], **quiet)
    try:
        yield f"postgresql+psycopg://trialogue@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], **quiet)


@pytest.fixture
def cli(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run ``trialogue …`` in a process of its own, in an empty folder, and return what it did."""
    import sys

    def run(*arguments: str, timeout_s: float = 120, **kwargs: Any) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "trialogue.api", *arguments]
        environment = {**os.environ, "COLUMNS": "100", **kwargs.pop("env", {})}
        kwargs.setdefault("cwd", tmp_path)
        return subprocess.run(
            command, capture_output=True, text=True, timeout=timeout_s, env=environment, check=False, **kwargs
        )

    return run
