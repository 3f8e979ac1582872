"""The embedded model behind a server: the same two questions, answered by vLLM over HTTP.

``vllm serve FOLDER --max-model-len 1024 --max-logprobs 200`` with the shipped checkpoint
(``trialogue.serving.embedded.model.SHIPPED``) answers what ``EmbeddedModel`` answers in this process; the server's prefix cache
takes the place of the shared prompt. A server tells the ``top`` most probable tokens; what is left of the probability is
spread evenly over the others. (With vLLM's own limit of 20, half of a broad distribution would be lost.)
Knows nothing of what the tokens mean.
"""

import json
from functools import cached_property
from pathlib import Path

import numpy as np
import openai

from ..errors import EndpointRefused, EndpointTimeout, EndpointUnreachable
from .model import SHIPPED, Branch

_BATCH = 64
"""Prompts per request: servers bound the size of a request."""


class ServedModel:
    """The shipped checkpoint at ``url`` (an OpenAI-compatible base URL). ``folder``: the same files, for the dialect.

    Safe to call from several threads. Raises ServingError when the server does not answer with completions.
    """

    def __init__(
        self,
        url: str,
        *,
        model: str | None = None,
        top: int = 200,
        timeout_s: float = 20.0,
        folder: Path = SHIPPED,
    ) -> None:
        self.folder, self._top, self._model, self.url = folder, top, model, url
        self._client = openai.OpenAI(base_url=url, api_key="none", timeout=timeout_s, max_retries=1)

    @cached_property
    def name(self) -> str:
        """The model's name at the server: the one given, else the first it lists."""
        if self._model:
            return self._model
        try:
            return next(iter(self._client.models.list())).id
        except StopIteration:
            raise EndpointRefused(f"{self.url} lists no model; give its name.") from None
        except openai.OpenAIError as error:
            raise self._told(error) from error

    @cached_property
    def _vocabulary(self) -> int:
        return int(json.loads((self.folder / "config.json").read_text("utf-8"))["vocab_size"])

    def read_prompts(self, tokens: np.ndarray) -> Branch:
        """Return the state after E prompts of equal length, tokens (E, S); nothing is sent before the next question."""
        empty = np.full((len(tokens), 1, self._vocabulary), -np.log(self._vocabulary))
        return Branch((), None, empty, tokens.shape[1], tokens[:, None])

    def extend(self, branch: Branch, tokens: np.ndarray) -> Branch:
        """Return the state after tokens (E, K, L) more."""
        assert branch.tokens is not None  # made by ``read_prompts`` of this class
        E, K, _ = tokens.shape
        before = np.broadcast_to(branch.tokens, (E, K, branch.tokens.shape[2]))
        whole = np.concatenate([before, tokens], 2)
        rows = whole.reshape(E * K, -1).tolist()
        log_p = np.concatenate([self._ask(rows[i : i + _BATCH]) for i in range(0, len(rows), _BATCH)])
        return Branch((), None, log_p.reshape(E, K, -1), whole.shape[2], whole)

    def _ask(self, prompts: list[list[int]]) -> np.ndarray:
        """Return log-probabilities (n, V) of the next token of each prompt."""
        try:
            answer = self._client.completions.create(
                model=self.name, prompt=prompts, max_tokens=1, logprobs=self._top, temperature=1.0,
                extra_body={"return_tokens_as_token_ids": True},
            )  # fmt: skip
        except openai.OpenAIError as error:
            raise self._told(error) from error
        rows = np.empty((len(prompts), self._vocabulary))
        for choice in answer.choices:
            logprobs = choice.logprobs.top_logprobs if choice.logprobs else None
            if not logprobs:
                raise EndpointRefused(
                    f"{self.url} answered without log-probabilities; the planner needs them."
                )
            rows[choice.index] = self._spread(logprobs[0])
        return rows

    def _spread(self, told: dict[str, float]) -> np.ndarray:
        ids = np.array([int(token.removeprefix("token_id:")) for token in told])
        p = np.exp(np.array(list(told.values())))
        left = max(1e-9, 1.0 - p.sum()) / max(1, self._vocabulary - len(ids))
        row = np.full(self._vocabulary, np.log(left))
        row[ids] = np.log(np.maximum(p, 1e-300))
        return row

    def _told(self, error: openai.OpenAIError) -> EndpointUnreachable | EndpointTimeout | EndpointRefused:
        if isinstance(error, openai.APITimeoutError):
            return EndpointTimeout(f"{self.url} did not answer in time: {error}")
        if isinstance(error, openai.APIConnectionError):
            return EndpointUnreachable(f"Nothing answers at {self.url}: {error}")
        cure = f"a vLLM server must be started with `--max-logprobs {self._top}`"
        return EndpointRefused(f"{self.url} refused ({cure}): {error}")
