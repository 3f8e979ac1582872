"""``planner="vllm:MODEL"`` and ``"llama:MODEL"``: a server of our own, started when the planner is made and ended with it.

For vLLM MODEL is a Hugging Face name or a folder with a checkpoint, for llama.cpp a GGUF file; both know the names of
``trialogue models``. A server that does not come up is an error of its operator (ServerDidNotStart, VllmNotInstalled,
LlamaNotInstalled), raised here and not in the middle of a study.
"""

import tempfile
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ...prompts.render import PromptOptions, characters_over_three
from ...serving.llama_cpp.python_server import LLAMA_PROGRAM, LLAMA_SERVED, find_llama_python
from ...serving.models.pretrained import gguf_file, model_folder
from ...serving.servers.host import ServerHost
from ...serving.servers.installation import Installation
from ...serving.servers.server import RunningServer, ServerSpec
from ...serving.vllm.capabilities import PLANNER_FLAGS
from ...serving.vllm.environment import find_vllm
from .planner import Planner
from .specification import Engine, PlannerText

START_DEADLINE_S = 600.0


def served_by(
    engine: Engine, model: str, *, name: str = "planner", tools: str = "hermes"
) -> tuple[Installation, ServerSpec]:
    """Return where ``engine`` is installed and how ``model`` is served for planners and chat.

    ``tools``: vLLM's parser of tool calls. Raises InvalidInput for a model that is not here, ServingError without engine.
    """
    if engine == "vllm":
        flags = {**PLANNER_FLAGS, "tool_call_parser": tools}
        return find_vllm(), ServerSpec(model_folder(model), flags, served_name=name)
    spec = ServerSpec(str(gguf_file(model)), {}, LLAMA_SERVED, name, LLAMA_PROGRAM, "--model")
    return find_llama_python(), spec


@contextmanager
def started(engine: Engine, model: str, *, deadline_s: float = START_DEADLINE_S) -> Iterator[RunningServer]:
    """Yield a server of ``model`` as planners get it; everything is ended and removed on the way out."""
    installation, spec = served_by(engine, model)
    with tempfile.TemporaryDirectory(prefix=f"trialogue-{engine}-") as name:
        folder = Path(name)
        log = folder / "server.log"
        with (
            ServerHost(installation, warm=False, folder=folder) as host,
            RunningServer.start(host, spec, log=log, deadline_s=deadline_s) as server,
        ):
            yield server


def own_planner(text: PlannerText, *, deadline_s: float = START_DEADLINE_S) -> Planner:
    """Start the server that ``text`` names and return a planner on it. The server ends with the planner: when it is closed,
    when nothing refers to it any more, and with this process."""
    assert text.own_server is not None
    engine, model = text.own_server
    ending = ExitStack()
    server = ending.enter_context(started(engine, model, deadline_s=deadline_s))
    folder = model_folder(model) if engine == "vllm" else str(gguf_file(model).parent)
    planner = Planner(
        server.base_url,
        model=server.name,
        name=f"{engine}:{Path(model).name}",
        options=PromptOptions(count=token_counter(folder) or characters_over_three),
        history=text.history or "usual",
        instructions=text.instructions or "bandit",
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
