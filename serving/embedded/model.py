"""The embedded model as a completion endpoint: tokens in, log-probabilities of the next token out.

Any ordinary Llama checkpoint in a folder (``config.json``, ``model.safetensors``); the same files are served by vLLM.
The forward pass is our own (80 lines): importing transformers alone takes longer than a second, and many
short continuations of one long prompt share its keys and values here instead of each holding a copy. Products are
in bfloat16 where the processor multiplies it in hardware (four times as fast, and what the model was trained in).
Knows nothing of what the tokens mean; that is ``prompts/number_dialect.py``.

Shapes: E prompts · K continuations of each · L tokens of each continuation · S tokens of a prompt · V vocabulary.
Source: Touvron et al. 2023 (Llama); Zheng et al. 2025, "Masked diffusion models are secretly time-agnostic masked
models" (categorical sampling needs 64 bits: 32-bit Gumbel noise is truncated and lowers the temperature).
"""

import json
import threading
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from ..errors import ServingError

SHIPPED = Path(__file__).parent / "weights"
"""The checkpoint that comes with the package."""


@dataclass(frozen=True)
class Branch:
    """Prompts that were read, with continuations of them: layer by layer keys and values.

    ``prefix``: per layer (E, H, S, D) twice; ``own``: per layer (E, H, K, L, D) twice, or None for no continuation yet.
    ``log_p``: (E, K, V) log-probabilities of the next token, float64.
    """

    prefix: tuple[tuple[Tensor, Tensor], ...]
    own: tuple[tuple[Tensor, Tensor], ...] | None
    log_p: np.ndarray
    position: int
    tokens: np.ndarray | None = None
    """All tokens (E, K, S), kept where a server is told them again with every question (``embedded_served.py``)."""


@dataclass(frozen=True, slots=True)
class _Config:
    width: int
    layers: int
    heads: int
    epsilon: float
    theta: float
    positions: int

    @classmethod
    def read(cls, folder: Path) -> "_Config":
        try:
            raw: dict[str, Any] = json.loads((folder / "config.json").read_text("utf-8"))
        except (OSError, json.JSONDecodeError) as error:
            raise ServingError(
                f"`{folder}` must hold a Llama checkpoint with config.json, got {error}."
            ) from error
        heads = raw["num_attention_heads"]
        if raw.get("num_key_value_heads", heads) != heads or raw.get("attention_bias") or raw.get("mlp_bias"):
            raise ServingError(
                f"`{folder}` must hold a Llama without grouped heads and biases; serve others by vLLM."
            )
        theta = raw.get("rope_parameters", raw).get("rope_theta", 10000.0)
        return cls(
            raw["hidden_size"], raw["num_hidden_layers"], heads, raw["rms_norm_eps"], theta,
            raw["max_position_embeddings"],
        )  # fmt: skip


class CompletionModel(Protocol):
    """Tokens in, log-probabilities out. Implementers: ``EmbeddedModel`` here, ``ServedModel`` over HTTP.

    ``folder`` holds the checkpoint's ``config.json`` and ``dialect.json``. Safe to call from several threads; raises
    ServingError and nothing else for what a model or a server does.
    """

    folder: Path

    def read_prompts(self, tokens: np.ndarray) -> Branch:
        """Return the state after E prompts, tokens (E, S)."""
        ...

    def extend(self, branch: Branch, tokens: np.ndarray) -> Branch:
        """Return the state after tokens (E, K, L) more."""
        ...


class EmbeddedModel:
    """A small Llama in this process, loaded when first asked. Safe to call from several threads: it only reads.

    The caller decides the number of threads (torch's is one per process, not per model). ``exact``: float32 throughout,
    also where bfloat16 is faster.
    """

    def __init__(self, folder: Path = SHIPPED, *, exact: bool = False) -> None:
        self.folder, self._exact = folder, exact
        self._loading = threading.Lock()

    @property
    def name(self) -> str:
        """What calls of this model are recorded as."""
        return "embedded"

    @cached_property
    def config(self) -> _Config:
        """The checkpoint's shape. Raises ServingError when the folder holds none."""
        return _Config.read(self.folder)

    def read_prompts(self, tokens: np.ndarray) -> Branch:
        """Return the state after E prompts of equal length, tokens (E, S): ``log_p`` is (E, 1, V)."""
        self._check(tokens, 0)
        with torch.no_grad():
            hidden, pairs = self._run(torch.from_numpy(tokens.astype(np.int64))[:, None], 0, None, None)
            prefix = tuple((k[:, :, 0], v[:, :, 0]) for k, v in pairs)
            return Branch(prefix, None, self._log_p(hidden[:, :, -1]), tokens.shape[1])

    def extend(self, branch: Branch, tokens: np.ndarray) -> Branch:
        """Return the state after tokens (E, K, L) more; the first extension of a prompt fixes K."""
        self._check(tokens, branch.position)
        with torch.no_grad():
            ids = torch.from_numpy(tokens.astype(np.int64))
            hidden, own = self._run(ids, branch.position, branch.prefix, branch.own)
            return Branch(
                branch.prefix, own, self._log_p(hidden[:, :, -1]), branch.position + tokens.shape[2]
            )

    @cached_property
    def _dtype(self) -> torch.dtype:
        """What products are computed in; sums, norms and probabilities are float32 and better."""
        able = getattr(torch.cpu, "get_capabilities", dict)()
        fast = able.get("avx512_bf16", False) or able.get("amx_bf16", False)
        return torch.bfloat16 if fast and not self._exact else torch.float32

    @cached_property
    def _weights(self) -> dict[str, Tensor]:
        with self._loading:
            raw = {n: t.float() for n, t in load_file(self.folder / "model.safetensors").items()}
            for i in range(self.config.layers):
                at = f"model.layers.{i}."
                raw[f"{at}qkv"] = torch.cat([raw.pop(f"{at}self_attn.{n}_proj.weight") for n in "qkv"])
                raw[f"{at}gate_up"] = torch.cat([raw.pop(f"{at}mlp.{n}_proj.weight") for n in ("gate", "up")])
                for name in ("qkv", "gate_up", "self_attn.o_proj.weight", "mlp.down_proj.weight"):
                    raw[at + name] = raw[at + name].to(self._dtype)
            return raw

    def _run(
        self,
        ids: Tensor,
        start: int,
        prefix: tuple[tuple[Tensor, Tensor], ...] | None,
        own: tuple[tuple[Tensor, Tensor], ...] | None,
    ) -> tuple[Tensor, tuple[tuple[Tensor, Tensor], ...]]:
        """Return hidden states (E, K, L, C) and each layer's own keys and values (E, H, K, L', D)."""
        w, c, cache = self._weights, self.config, []
        x = F.embedding(ids, w["model.embed_tokens.weight"])
        rotation = self._rotation(start, ids.shape[2])
        for i in range(c.layers):
            at = f"model.layers.{i}."
            h = F.rms_norm(x, (c.width,), w[f"{at}input_layernorm.weight"], c.epsilon).to(self._dtype)
            q, k, v = self._heads(F.linear(h, w[f"{at}qkv"]), rotation)
            if own is not None:
                k, v = _joined(own[i][0], k), _joined(own[i][1], v)
            cache.append((k, v))
            a = _attention(q, k, v, None if prefix is None else prefix[i])
            x = x + F.linear(a, w[f"{at}self_attn.o_proj.weight"])
            h = F.rms_norm(x, (c.width,), w[f"{at}post_attention_layernorm.weight"], c.epsilon).to(
                self._dtype
            )
            gate, up = F.linear(h, w[f"{at}gate_up"]).chunk(2, -1)
            x = x + F.linear(F.silu(gate) * up, w[f"{at}mlp.down_proj.weight"])
        return F.rms_norm(x, (c.width,), w["model.norm.weight"], c.epsilon), tuple(cache)

    def _heads(self, qkv: Tensor, rotation: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Return rotated queries and keys, and values: (E, H, K, L, D) each."""
        E, K, L, _ = qkv.shape
        H, D = self.config.heads, self.config.width // self.config.heads
        q, k, v = qkv.view(E, K, L, 3, H, D).permute(3, 0, 4, 1, 2, 5)
        cos, sin = rotation

        def rotated(t: Tensor) -> Tensor:
            return t * cos + torch.cat([-t[..., D // 2 :], t[..., : D // 2]], -1) * sin

        return rotated(q), rotated(k), v

    def _rotation(self, start: int, L: int) -> tuple[Tensor, Tensor]:
        D = self.config.width // self.config.heads
        frequency = self.config.theta ** -(torch.arange(0, D, 2).float() / D)
        angle = torch.arange(start, start + L)[:, None] * frequency
        angle = torch.cat([angle, angle], -1)
        return angle.cos().to(self._dtype), angle.sin().to(self._dtype)

    def _log_p(self, hidden: Tensor) -> np.ndarray:
        logits = hidden @ self._weights["lm_head.weight"].T
        return logits.double().log_softmax(-1).numpy()

    def _check(self, tokens: np.ndarray, position: int) -> None:
        end = position + tokens.shape[-1]
        if end > self.config.positions:
            raise ServingError(
                f"A prompt has at most {self.config.positions} tokens, got {end}; show fewer trials."
            )


def _joined(before: Tensor, after: Tensor) -> Tensor:
    return torch.cat([before, after], 3)


def _attention(q: Tensor, k: Tensor, v: Tensor, prefix: tuple[Tensor, Tensor] | None) -> Tensor:
    """Return what each token attends to, heads joined (E, K, L, C): its prompt, and its own continuation up to it."""
    E, H, K, L, D = q.shape
    if prefix is None:
        out = _causal(*(t.reshape(E * H * K, L, D) for t in (q, k, v)))
        return out.view(E, H, K, L, D).permute(0, 2, 3, 1, 4).reshape(E, K, L, H * D)
    q, S, most = q * D**-0.5, prefix[0].shape[2], k.shape[3]
    scores = q @ k.transpose(-1, -2)
    if L > 1:
        hidden = torch.ones(L, most, dtype=torch.bool).tril(most - L).logical_not()
        scores = scores.masked_fill(hidden, -1e9)
    shared = (q.reshape(E, H, K * L, D) @ prefix[0].transpose(-1, -2)).view(E, H, K, L, S)
    p = torch.cat([shared, scores], -1).softmax(-1)
    out = (p[..., :S].reshape(E, H, K * L, S) @ prefix[1]).view(E, H, K, L, D) + p[..., S:] @ v
    return out.permute(0, 2, 3, 1, 4).reshape(E, K, L, H * D)


def _causal(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Return what each token of a prompt attends to (n, L, D), in the way that is faster for the type."""
    if q.dtype == torch.float32:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)
    n, L, D = q.shape
    mask = torch.full((L, L), -1e4, dtype=q.dtype).triu(1).expand(n, L, L)
    return torch.baddbmm(mask, q * D**-0.5, k.transpose(1, 2)).softmax(-1) @ v


def draw(log_p: np.ndarray, rng: np.random.Generator, *, temperature: float = 1.0) -> np.ndarray:
    """Return one index per row of log-probabilities (…, V); -inf is never drawn. Gumbel maximum in 64 bits."""
    u = rng.random(log_p.shape)
    return np.argmax(log_p / temperature - np.log(-np.log(np.maximum(u, 1e-300))), axis=-1)
