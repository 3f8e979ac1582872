"""Logs of real failures of vLLM 0.32's CPU build, cut to the lines that matter, and the classes they must get."""

import pytest

from trialogue.serving.servers.failures import classify

START_FAILED = "\nRuntimeError: Engine core initialization failed. See root cause above."
CASES = [
    (
        "(EngineCore pid=1) ERROR 11-23 10:00:00 [core.py:9] ValueError: No common block size for 7 (CPU_ATTN:"
        f" [MultipleOf(32)]).{START_FAILED}",
        "unsupported_combination",
    ),
    (
        "ValueError: To serve at least one request with the models's max seq len (4096), 0.5 GiB KV cache is needed,"
        " which is larger than the available KV cache memory (0.1 GiB). The estimated maximum model length is 256."
        + START_FAILED,
        "out_of_memory_at_kv_allocation",
    ),
    ("OSError: [Errno 98] error while attempting to bind on address: address already in use", "port_in_use"),
    (
        "OSError: /nowhere is not a local folder and is not a valid model identifier listed on",
        "model_not_found",
    ),
    ("HFValidationError: Repo id must use alphanumeric chars, got '/nowhere'", "model_not_found"),
    ("vllm serve: error: unrecognized arguments: --no-such-flag 1", "illegal_argument"),
    ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 GiB", "out_of_memory_at_load"),
    (
        "AssertionError: Not enough allowed NUMA nodes to bind threads of 2 workers.",
        "unsupported_combination",
    ),
    ("OSError: [Errno 28] No space left on device: '/cache/vllm/torch_compile_cache/1'", "disk_full"),
    (
        "torch.distributed.DistBackendError: NCCL error in: ProcessGroupNCCL.cpp:94, remote error",
        "network_setup",
    ),
    ("torch.distributed.DistNetworkError: The client socket has timed out after 600000ms", "network_setup"),
    ("torch.AcceleratorError: CUDA error: uncorrectable ECC error encountered", "device_lost"),
    ("RuntimeError: CUDA-capable device(s) is/are busy or unavailable", "device_lost"),
    (
        "ValueError: Free memory on device cuda:0 (11.2/79.1 GiB) on startup is less than desired GPU memory utilization"
        " (0.9, 71.2 GiB). Decrease GPU memory utilization or reduce GPU memory used by other processes.",
        "device_occupied",
    ),
    (
        "ValueError: Free memory on device cuda:0 (77.9/79.1 GiB) on startup is less than desired GPU memory utilization"
        " (0.99, 78.3 GiB). Decrease GPU memory utilization or reduce GPU memory used by other processes.",
        "out_of_memory_at_kv_allocation",
    ),
    (
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.10 GiB of"
        " which 1.25 GiB is free. Process 4711 has 60.10 GiB memory in use. Including non-PyTorch memory, this process has"
        " 17.20 GiB memory in use.",
        "device_occupied",
    ),
    (
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.10 GiB of"
        " which 1.25 GiB is free. Process 4711 has 77.80 GiB memory in use. Including non-PyTorch memory, this process has"
        " 77.80 GiB memory in use.",
        "out_of_memory_at_load",
    ),
    ("terminate called after throwing an instance of 'std::bad_alloc'", "out_of_memory_at_load"),
    ("!!!!!!! Segfault encountered !!!!!!!", "crashed"),
    (f"RuntimeError:{START_FAILED} Failed core proc(s): {{'EngineCore_DP0': -11}}", "crashed"),
    (f"RuntimeError:{START_FAILED} Failed core proc(s): {{'EngineCore_DP0': -9}}", "killed"),
    (
        "(EngineCore pid=2) ERROR 11-23 10:00:00 [multiproc_executor.py:316] Worker proc VllmWorker-1 died unexpectedly"
        " (exit code: -9), shutting down executor.",
        "killed",
    ),
]
INFRASTRUCTURE = {"port_in_use", "disk_full", "network_setup", "device_lost", "device_occupied", "killed"}


@pytest.mark.parametrize(("log", "kind"), CASES)
def test_the_cause_decides_and_not_the_last_line(log: str, kind: str) -> None:
    found = classify(log, phase="start", exit_code=1)
    assert found.kind == kind
    assert found.infrastructure == (kind in INFRASTRUCTURE)


@pytest.mark.parametrize(
    "line",
    [
        "(EngineCore pid=1) INFO 11-23 10:00:00 [cuda.py:1] FlashAttention 3 is not supported on this device",
        "(APIServer pid=1) WARNING 11-23 10:00:00 [api.py:1] address already in use, unsupported, out of memory",
        "INFO:     127.0.0.1:1 - error: argument",
        "box:12:34 [0] NCCL INFO NET/IB : No device found, unsupported",
    ],
)
def test_what_is_no_complaint_does_not_classify(line: str) -> None:
    memory = "(Worker pid=2) ERROR 11-23 10:00:01 [w.py:1] torch.OutOfMemoryError: CUDA out of memory."
    assert classify(f"{line}\n{memory}", phase="start", exit_code=1).kind == "out_of_memory_at_load"
    assert classify(line, phase="load", exit_code=-9).kind == "killed"
    assert classify(line, phase="start", timed_out=True).kind == "hang"


@pytest.mark.parametrize(
    ("code", "kind"), [(-9, "killed"), (-15, "killed"), (-11, "crashed"), (-6, "crashed"), (-4, "crashed")]
)
def test_only_signals_that_others_send_are_from_outside(code: int, kind: str) -> None:
    assert classify("INFO serving", phase="load", exit_code=code).kind == kind


ENGINE_DEAD = (
    "(APIServer pid=1) ERROR 11-23 10:00:00 [async_llm.py:9] EngineDeadError: EngineCore encountered an issue."
    " See stack trace (above) for the root cause."
)


def test_an_engine_that_ends_without_a_word_was_killed_and_one_with_words_died_of_them() -> None:
    assert classify(ENGINE_DEAD, phase="load").kind == "killed"
    woken = "(EngineCore pid=2) ERROR 11-23 09:59:59 [core.py:9] RuntimeError: cancelled"  # it waited for a dead worker
    assert classify(f"{woken}\n{ENGINE_DEAD}", phase="load").kind == "killed"
    words = "(EngineCore pid=2) ERROR 11-23 09:59:59 [core.py:9] RuntimeError: the moon is wrong"
    found = classify(f"{words}\n{ENGINE_DEAD}", phase="load", timed_out=True)
    assert (found.kind, found.cause) == ("dead_engine", "RuntimeError: the moon is wrong")
    old = "ERROR 11-23 09:59:59 [core.py:9] RuntimeError: the moon is wrong\nERROR 11-23 10:00:00 [a.py:1] EngineDeadError: x"
    assert classify(old, phase="load").kind == "dead_engine"  # versions that do not say who says it
    assert classify(f"Fatal Python error: Aborted\n{ENGINE_DEAD}", phase="load").kind == "crashed"


def test_a_server_that_was_asked_to_end_is_no_evidence_against_the_configuration() -> None:
    asked = (
        "(APIServer pid=1) INFO 11-23 10:00:00 [launcher.py:254] [shutdown] API server: shutdown triggered"
    )
    assert classify(asked, phase="load", exit_code=0).kind == "killed"


def test_out_of_memory_while_serving_has_its_own_class() -> None:
    found = classify("torch.OutOfMemoryError: CUDA out of memory", phase="load")
    assert found.kind == "out_of_memory_under_load"
    assert not found.infrastructure


def test_a_signal_is_infrastructure_and_no_evidence_against_the_configuration() -> None:
    found = classify("INFO loading\nEngineCore died unexpectedly", phase="load", exit_code=-9)
    assert (found.kind, found.infrastructure) == ("killed", True)


def test_silence_until_the_deadline_is_a_hang() -> None:
    hanging = classify("INFO loading weights", phase="start", timed_out=True)
    assert (hanging.kind, hanging.cause) == ("hang", "its log ends with 'INFO loading weights'")


def test_an_unknown_cause_keeps_its_last_error_line() -> None:
    found = classify("fine\nRuntimeError: the moon is wrong\n", phase="start", exit_code=1)
    assert (found.kind, "moon" in found.cause) == ("unknown", True)
