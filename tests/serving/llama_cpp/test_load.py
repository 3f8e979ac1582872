"""What is sent to llama.cpp's server and when, on a server of ours that answers in its words."""

import http.server
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from trialogue.serving.llama_cpp.load import run_llama_load
from trialogue.serving.servers.load import LoadPlan


class Answers(http.server.BaseHTTPRequestHandler):
    """Streams as many tokens as are asked for; ``fault``: a status, "cut" after the first, "held": none before the end."""

    protocol_version = "HTTP/1.0"
    asked: ClassVar[list[dict[str, Any]]] = []
    fault: ClassVar[Any] = None

    def log_message(self, format: str, *_: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        """Answer one completion."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append(body)
        self.send_response(self.fault if isinstance(self.fault, int) else 200)
        self.end_headers()
        for i in range(body["n_predict"]):
            time.sleep(0.01)
            if self.fault != "held":
                self.tell(content="x", tokens=[i], stop=False)
            if self.fault == "cut":
                return
        self.tell(content="", tokens=[], stop=True, tokens_predicted=body["n_predict"], tokens_evaluated=9)

    def tell(self, **event: object) -> None:
        self.wfile.write(b"data: " + json.dumps(event).encode() + b"\n\n")


@pytest.fixture
def server() -> Iterator[Any]:
    Answers.asked.clear()
    Answers.fault = None
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield SimpleNamespace(port=made.server_address[1], processes=list)
        made.shutdown()


def plan(folder: Path, *rows: dict[str, Any], **given: Any) -> LoadPlan:
    path = folder / "requests.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return LoadPlan(path, **given)


ROWS = tuple({"input_len": 9, "output_len": n} for n in (3, 5, 4))


def test_metrics_are_of_the_chunks_that_arrived(server: Any, tmp_path: Path) -> None:
    goodput = {"ttft": 5000.0, "e2el": 0.001}
    result = run_llama_load(
        server, plan(tmp_path, *ROWS, concurrency=1, goodput=goodput), vocabulary=999, turn=0
    )
    assert result.ok
    m = result.metrics
    assert m["output_tok_s"] * m["duration_s"] == pytest.approx(12)
    assert m["total_tok_s"] * m["duration_s"] == pytest.approx(12 + 27)
    assert m["requests_s"] * m["duration_s"] == pytest.approx(3)
    assert {kind: len(times) for kind, times in result.requests.items()} == {"ttft": 3, "e2e": 3, "tpot": 3}
    assert 10 <= m["ttft_p50_ms"] < m["e2e_p50_ms"]
    assert 9 <= m["tpot_mean_ms"] <= m["e2e_p99_ms"]
    assert (m["compliance"], m["goodput_req_s"]) == (0.0, 0.0)


def test_equal_prefixes_and_blocks_are_equal_tokens_and_other_loads_other_ones(
    server: Any, tmp_path: Path
) -> None:
    rows = [
        {"input_len": 4, "output_len": 1, "prefix": 7, "prefix_len": 6},
        {"input_len": 5, "output_len": 1, "prefix": 7, "prefix_len": 6},
        {"input_len": 7, "output_len": 1, "blocks": [0, 1], "block_len": 4},
        {"input_len": 9, "output_len": 1, "blocks": [0, 2], "block_len": 4},
        {"input_len": 2, "output_len": 1, "prompt": "Hello"},
    ]
    for turn in (0, 1):
        run_llama_load(server, plan(tmp_path, *rows, concurrency=1), vocabulary=9999, turn=turn)
    first, second, third, fourth, text = (a["prompt"] for a in Answers.asked[:5])
    assert [*map(len, (first, second, third, fourth))] == [10, 11, 7, 9]
    assert first[:6] == second[:6]
    assert first[6:] != second[6:10]
    assert third[:4] == fourth[:4]
    assert text == "Hello"
    assert first[:6] != Answers.asked[5]["prompt"][:6]


def test_requests_are_sent_at_their_times(server: Any, tmp_path: Path) -> None:
    rows = [{**ROWS[0], "at_s": at} for at in (0.0, 0.3)]
    assert (
        run_llama_load(server, plan(tmp_path, *rows, recorded=True), vocabulary=999, turn=0).metrics[
            "duration_s"
        ]
        >= 0.3
    )
    rate = run_llama_load(server, plan(tmp_path, *ROWS * 4, rate=40.0, seed=1), vocabulary=999, turn=0)
    assert rate.metrics["duration_s"] > 0.05
    assert run_llama_load(server, plan(tmp_path, *ROWS * 4), vocabulary=999, turn=0).ok


@pytest.mark.parametrize(("fault", "told"), [(500, "status 500"), ("cut", "ended early")])
def test_a_request_that_is_not_answered_fails_the_load(
    server: Any, fault: Any, told: str, tmp_path: Path
) -> None:
    Answers.fault = fault
    result = run_llama_load(server, plan(tmp_path, *ROWS), vocabulary=999, turn=0)
    assert not result.ok
    assert (result.failed_requests, result.timed_out) == (3, False)
    assert told in result.problem


def test_an_answer_that_comes_only_with_its_end_has_that_time(server: Any, tmp_path: Path) -> None:
    """The server holds back bytes that are no whole character yet, of a whole answer if need be."""
    Answers.fault = "held"
    result = run_llama_load(server, plan(tmp_path, *ROWS), vocabulary=999, turn=0)
    assert result.ok
    assert result.metrics["ttft_p50_ms"] == result.metrics["e2e_p50_ms"] > 0


def test_a_load_ends_with_its_time(server: Any, tmp_path: Path) -> None:
    slow = plan(tmp_path, {"input_len": 3, "output_len": 500}, timeout_s=0.3)
    result = run_llama_load(server, slow, vocabulary=999, turn=0)
    assert result.timed_out
    assert not result.ok
