"""A real vLLM on this machine's CPU: start, answer, fail in planted ways, stop, and leave nothing behind."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from trialogue.serving.servers.host import ServerHost
from trialogue.serving.servers.server import RunningServer, ServerFailed, ServerSpec, flag_arguments
from trialogue.serving.vllm.catalogue import KNOBS

pytestmark = [pytest.mark.vllm, pytest.mark.slow]
EAGER = {"enforce_eager": True}


def start(host: ServerHost, model: Path, folder: Path, flags: dict | None = None, **more) -> RunningServer:
    spec = ServerSpec(str(model), {**EAGER, **(flags or {})}, served_name="m")
    return RunningServer.start(host, spec, log=folder / "server.log", **{"deadline_s": 120.0, **more})


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def shared_memory(pid: int) -> list[str]:
    with open(f"/proc/{pid}/maps") as maps:
        return [line.split(None, 5)[5].strip() for line in maps if "/dev/shm/" in line]


def wait_until_dead(pids: list[int], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not any(map(alive, pids))


def test_a_server_answers_then_stops_with_all_its_processes(warm_host, tiny, tmp_path) -> None:
    with start(warm_host, tiny, tmp_path) as server:
        assert server.answers()
        assert b"vllm:" in server.get("/metrics")
        pids = server.processes()
        mapped = {name for pid in pids for name in shared_memory(pid)}
        assert len(pids) >= 2
    assert wait_until_dead(pids)
    assert not [name for name in mapped if os.path.exists(name)]


@pytest.mark.parametrize(
    ("flags", "kind"),
    [
        ({"block_size": 7}, "unsupported_combination"),
        ({"num_gpu_blocks_override": 4}, "out_of_memory_at_kv_allocation"),
        ({"max_num_seqs": 64, "max_num_batched_tokens": 8}, "illegal_argument"),
    ],
)
def test_a_planted_failure_gets_its_class(warm_host, tiny, tmp_path, flags, kind) -> None:
    with pytest.raises(ServerFailed) as caught:
        start(warm_host, tiny, tmp_path, flags)
    assert caught.value.failure.kind == kind, caught.value.failure


def test_a_kv_cache_larger_than_the_memory_is_said_so(warm_host, tiny, tmp_path) -> None:
    spec = ServerSpec(str(tiny), EAGER, {"VLLM_CPU_KVCACHE_SPACE": "4000"}, "m")
    with pytest.raises(ServerFailed) as caught:
        RunningServer.start(warm_host, spec, log=tmp_path / "server.log")
    assert caught.value.failure.kind == "out_of_memory_at_kv_allocation"


def test_a_model_that_does_not_exist_is_said_so(warm_host, tmp_path) -> None:
    with pytest.raises(ServerFailed) as caught:
        start(warm_host, tmp_path / "nothing", tmp_path)
    assert caught.value.failure.kind == "model_not_found"


def test_a_taken_port_is_infrastructure(warm_host, tiny, tmp_path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(ServerFailed) as caught:
            start(warm_host, tiny, tmp_path, port=other.getsockname()[1])
    assert (caught.value.failure.kind, caught.value.failure.infrastructure) == ("port_in_use", True)


def pid_of(server: RunningServer, role: str) -> int:
    """Return the pid that the server's log names for its ``EngineCore`` or ``Worker``."""
    found = re.search(rf"\({role}[^)]* pid=(\d+)\)", server.log_tail(200_000))
    assert found is not None
    return int(found[1])


@pytest.mark.parametrize(
    ("role", "number", "kind"),
    [
        ("EngineCore", signal.SIGKILL, "killed"),
        ("Worker", signal.SIGKILL, "killed"),
        ("APIServer", signal.SIGTERM, "killed"),
        ("EngineCore", signal.SIGSEGV, "crashed"),
    ],
)
def test_who_ends_by_a_signal_of_others_was_killed_and_who_by_its_own_crashed(
    warm_host, tiny, tmp_path, role, number, kind
) -> None:
    with start(warm_host, tiny, tmp_path) as server:
        os.kill(pid_of(server, role), number)
        deadline = time.monotonic() + 20
        failure = server.failure("load", timed_out=True)
        while failure.kind == "hang" and time.monotonic() < deadline:  # a crash writes its trace for seconds
            server.answers(1)
            failure = server.failure("load", timed_out=True)
        assert failure.kind == kind, (failure, server.log_tail(6000))
        assert failure.infrastructure == (kind == "killed")
    assert not server.processes()


def test_a_hang_is_told_from_a_death(warm_host, tiny, tmp_path) -> None:
    with start(warm_host, tiny, tmp_path) as server:
        for pid in server.processes():
            os.kill(pid, signal.SIGSTOP)
        assert not server.answers(1)
        assert server.failure("load", timed_out=True).kind == "hang"
        for pid in server.processes():
            os.kill(pid, signal.SIGCONT)
    assert not server.processes()


def test_a_hang_at_start_ends_at_the_deadline(warm_host, tiny, tmp_path) -> None:
    with pytest.raises(ServerFailed) as caught:
        start(warm_host, tiny, tmp_path, deadline_s=0.5)
    assert caught.value.failure.kind == "hang"


SCRIPT = """
import sys, time
from pathlib import Path
from trialogue.serving.vllm.environment import find_vllm
from trialogue.serving.servers.host import ServerHost
from trialogue.serving.servers.server import ServerSpec, RunningServer
host = ServerHost(find_vllm(sys.argv[1]), warm=True, folder=Path(sys.argv[3]))
spec = ServerSpec(sys.argv[2], {"enforce_eager": True}, served_name="m")
server = RunningServer.start(host, spec, log=Path(sys.argv[3]) / "server.log")
print(host.pid, *server.processes(), flush=True)
time.sleep(600)
"""


def test_no_orphan_is_left_when_the_parent_is_killed(vllm_environment, tiny, tmp_path) -> None:
    arguments = [str(vllm_environment.python), str(tiny), str(tmp_path)]
    parent = subprocess.Popen([sys.executable, "-c", SCRIPT, *arguments], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pids = [int(word) for word in parent.stdout.readline().split()]
    assert len(pids) >= 3
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert wait_until_dead(pids)


def test_a_killed_host_takes_its_servers_along(vllm_environment, tiny, tmp_path) -> None:
    with ServerHost(vllm_environment, warm=True, folder=tmp_path) as host:
        server = start(host, tiny, tmp_path)
        pids = server.processes()
        assert host.pid is not None
        os.kill(host.pid, signal.SIGKILL)
        assert wait_until_dead(pids)
        assert server.failure().kind == "killed"


def test_every_knob_of_the_catalogue_is_known_to_the_installed_version(warm_host) -> None:
    installed = warm_host.call("parameters", timeout_s=60)
    names = {p["name"] for p in installed["parameters"]}
    assert len(names) > 200
    missing = [k.name for k in KNOBS if not k.variable and k.name not in names]
    assert not missing


def test_an_ordinary_start_shows_what_a_planner_needs(vllm_environment, tiny, tmp_path) -> None:
    from trialogue.api.doctor.doctor import check_served
    from trialogue.serving.vllm.capabilities import PLANNER_FLAGS, capabilities

    flags = {**PLANNER_FLAGS, "tool_call_parser": "hermes"}
    with (
        ServerHost(vllm_environment, warm=False, folder=tmp_path) as host,
        start(host, tiny, tmp_path, flags, deadline_s=280.0) as server,
    ):
        shown = {c.name: (c.shown, c.detail) for c in capabilities(server.base_url, server.name)}
        told = {f.subject: f.state for f in check_served(server.base_url, 120.0)}
        pids = server.processes()
    assert told["endpoint"] == told["structured output"] == told["prefix caching"] == "ok", told
    assert all(ok for name, (ok, _) in shown.items() if name != "tool calls"), (
        shown
    )  # random weights may call none
    assert wait_until_dead(pids)


def test_flags_become_the_arguments_that_vllm_takes() -> None:
    assert flag_arguments({"max_num_seqs": 8, "enable_prefix_caching": False, "enforce_eager": True, "seed": None}) == [
        "--max-num-seqs", "8", "--no-enable-prefix-caching", "--enforce-eager",
    ]  # fmt: skip
