"""The same checkpoint behind a server: a loopback server that answers as vLLM does, and vLLM itself."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from trialogue.serving.embedded.model import EmbeddedModel
from trialogue.serving.embedded.served import ServedModel
from trialogue.serving.errors import EndpointRefused, EndpointUnreachable

MODEL = EmbeddedModel(exact=True)


class Completions(BaseHTTPRequestHandler):
    """Answers ``/v1/completions`` for lists of token ids from the model in this process."""

    refuse = False

    def log_message(self, *args):
        pass

    def do_GET(self):
        self._send(
            {"object": "list", "data": [{"id": "embedded", "object": "model", "created": 0, "owned_by": "x"}]}
        )

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        choices = []
        for i, prompt in enumerate(asked["prompt"]):
            log_p = MODEL.read_prompts(np.array([prompt])).log_p[0, 0]
            top = np.argsort(-log_p)[: asked["logprobs"]]
            told = {f"token_id:{t}": float(log_p[t]) for t in top}
            logprobs = None if self.refuse else {"top_logprobs": [told], "tokens": [], "token_logprobs": []}
            choices.append({"index": i, "text": "", "finish_reason": "length", "logprobs": logprobs})
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        self._send({"id": "1", "object": "text_completion", "created": 0, "model": "embedded", "choices": choices,
                    "usage": usage})  # fmt: skip

    def _send(self, body):
        raw = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)


@pytest.fixture
def url():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Completions)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()
    server.server_close()
    thread.join()


def questions() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.integers(2, 400, (2, 20)), rng.integers(2, 400, (2, 3, 4))


def test_a_server_that_tells_everything_gives_the_same_answers(url):
    prompts, added = questions()
    served = ServedModel(url, top=2000)
    with served._client:
        got = served.extend(served.read_prompts(prompts), added)
        again = served.extend(got, added[:, :, :1])
    expected = MODEL.extend(MODEL.read_prompts(prompts), added)
    np.testing.assert_allclose(got.log_p, expected.log_p, atol=2e-4)
    np.testing.assert_allclose(again.log_p, MODEL.extend(expected, added[:, :, :1]).log_p, atol=2e-4)


def test_the_rest_of_the_probability_is_spread_evenly(url):
    prompts, added = questions()
    served = ServedModel(url, top=20)
    with served._client:
        got = served.extend(served.read_prompts(prompts), added)
    np.testing.assert_allclose(np.exp(got.log_p).sum(-1), 1.0, atol=1e-6)


def test_a_server_without_log_probabilities_is_refused(url, monkeypatch):
    monkeypatch.setattr(Completions, "refuse", True)
    prompts, added = questions()
    served = ServedModel(url)
    with served._client, pytest.raises(EndpointRefused, match="log-probabilities"):
        served.extend(served.read_prompts(prompts), added)


def test_nothing_at_the_address_is_said_so():
    served = ServedModel("http://127.0.0.1:9/v1", timeout_s=2)
    prompts, added = questions()
    with served._client, pytest.raises(EndpointUnreachable, match="Nothing answers"):
        served.extend(served.read_prompts(prompts), added)
