"""``planner="vllm:MODEL"``: a vLLM server of our own, started when the planner is made and ended with it.

MODEL is a Hugging Face name or a folder with a checkpoint. Starting takes half a minute to minutes; a server that does not
come up is an error of its operator (ServerDidNotStart, VllmNotInstalled), raised here and not in the middle of a study.
"""

import tempfile
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ...prompts.histories.by_name import HistoryName
from ...prompts.render import PromptOptions, characters_over_three
from ...serving.models.pretrained import model_folder
from ...serving.servers.host import ServerHost
from ...serving.servers.server import RunningServer, ServerSpec
from ...serving.vllm.capabilities import PLANNER_FLAGS
from ...serving.vllm.environment import find_vllm
from .paraphrases import Instructions
from .planner import Planner

START_DEADLINE_S = 600.0
PLANNING = {**PLANNER_FLAGS, "tool_call_parser": "hermes"}


@contextmanager
def started(model: str, *, deadline_s: float = START_DEADLINE_S) -> Iterator[RunningServer]:
    """Yield a server of ``model`` as planners get it; everything is ended and removed on the way out."""
    with tempfile.TemporaryDirectory(prefix="trialogue-vllm-") as name:
        folder = Path(name)
        with ServerHost(find_vllm(), warm=False, folder=folder) as host:
            spec = ServerSpec(model_folder(model), PLANNING, served_name="planner")
            with RunningServer.start(host, spec, log=folder / "server.log", deadline_s=deadline_s) as server:
                yield server


def vllm_planner(
    model: str, *, deadline_s: float = START_DEADLINE_S, history: HistoryName | None = None,
    instructions: Instructions | None = None,
) -> Planner:  # fmt: skip
    """Start a server of ``model`` and return a planner on it. The server ends with the planner: when it is closed,
    when nothing refers to it any more, and with this process."""
    ending = ExitStack()
    server = ending.enter_context(started(model, deadline_s=deadline_s))
    model = model_folder(model)
    count = token_counter(model) or characters_over_three
    planner = Planner(
        server.base_url,
        model=server.name,
        name=f"vllm:{Path(model).name}",
        options=PromptOptions(count=count),
        history=history or "usual",
        instructions=instructions or "bandit",
        on_close=ending.close,
    )
    weakref.finalize(planner, ending.close)
    return planner


def token_counter(model: str) -> Callable[[str], int] | None:
    """Return a function that counts tokens as the model does; None where its tokenizer is not on this machine."""
    from transformers import AutoTokenizer  # a second to import

    try:
        tokenizer = AutoTokenizer.from_pretrained(model, local_files_only=True)
    except (OSError, ValueError):
        return None
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False))
