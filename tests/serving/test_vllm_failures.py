"""Logs of real failures of vLLM 0.32's CPU build, cut to the lines that matter, and the classes they must get."""

import pytest

from trialogue.serving.vllm_failures import classify

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
]


@pytest.mark.parametrize(("log", "kind"), CASES)
def test_the_cause_decides_and_not_the_last_line(log: str, kind: str) -> None:
    assert classify(log, phase="start", exit_code=1).kind == kind


def test_out_of_memory_while_serving_has_its_own_class() -> None:
    found = classify("torch.OutOfMemoryError: CUDA out of memory", phase="load")
    assert found.kind == "out_of_memory_under_load"
    assert not found.infrastructure


def test_a_signal_is_infrastructure_and_no_evidence_against_the_configuration() -> None:
    found = classify("INFO loading\nEngineCore died unexpectedly", phase="load", exit_code=-9)
    assert (found.kind, found.infrastructure) == ("killed", True)


def test_silence_until_the_deadline_is_a_hang() -> None:
    assert classify("INFO loading weights", phase="start", timed_out=True).kind == "hang"


def test_an_unknown_cause_keeps_its_last_error_line() -> None:
    found = classify("fine\nRuntimeError: the moon is wrong\n", phase="start", exit_code=1)
    assert (found.kind, "moon" in found.cause) == ("unknown", True)
