"""What a warm host's children do: serve, resolve a configuration, list the parameters, generate load.

The parent imports vLLM and never starts a thread, so a fork is safe; CUDA must not be initialised in it. A forked
server uses ``fork`` for its own processes where vLLM asks for ``spawn``: no process imports anything again.
"""

import contextlib
import dataclasses
import functools
import io
import json
import multiprocessing
import os
import signal
import sys

import energy
import process_session as session

MODULES = """vllm.entrypoints.cli.main vllm.entrypoints.cli.serve vllm.entrypoints.cli.openai
vllm.entrypoints.cli.launch vllm.entrypoints.cli.benchmark.main vllm.entrypoints.launchers.api_server.entry
vllm.v1.engine.async_llm vllm.v1.engine.core vllm.v1.executor.multiproc_executor vllm.v1.core.sched.scheduler
vllm.model_executor.models.llama vllm.benchmarks.serve""".split()
CPU_MODULES = "vllm.v1.worker.cpu_worker vllm.v1.worker.cpu_model_runner vllm.v1.attention.backends.cpu_attn".split()
DETAILS = {"input_lens", "output_lens", "start_times", "queue_times", "ttfts", "itls", "latencies", "generated_texts", "errors"}
UNSTABLE = {"instance_id", "hf_config_path", "placement_group"}  # differ between equal configurations


def import_vllm():
    """Import what a server needs; a module that this version does not have is imported by whoever needs it."""
    import importlib

    from vllm.platforms import current_platform

    for name in MODULES + (CPU_MODULES if current_platform.is_cpu() else []):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    _parser()


def _become_child(env):
    session.die_with_parent()
    os.setsid()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    os.environ.update(env)
    import vllm.envs

    with contextlib.suppress(AttributeError):
        vllm.envs.__getattr__.cache_clear()


def fork_server(argv, env, log):
    """Fork a process that runs ``vllm serve ARGV``; return its pid."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        _become_child(env)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        output = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o644)
        os.dup2(output, 1)
        os.dup2(output, 2)
        _fork_instead_of_spawn()
        sys.argv = ["vllm", "serve", *argv]
        import vllm.entrypoints.cli.main

        vllm.entrypoints.cli.main.main()
        status = 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _fork_instead_of_spawn():
    ordinary = multiprocessing.get_context
    multiprocessing.get_context = lambda method=None: ordinary("fork" if method == "spawn" else method)
    os.register_at_fork(after_in_child=session.die_with_parent)


def fork_call(function, request):
    """Fork a process that writes the JSON of ``function(request)`` to a pipe; return its pid and the pipe."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return pid, reading
    try:
        os.close(reading)
        _become_child(request.get("env", {}))
        answer = globals()[function](request)
    except BaseException as error:
        answer = {"ok": False, "error": f"{type(error).__name__}: {error}", "kind": "raised"}
    with os.fdopen(writing, "w") as pipe:
        json.dump(answer, pipe, default=str)
    os._exit(0)


@functools.cache
def _parser():
    from vllm.entrypoints.launchers.cli_args import make_arg_parser
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    return make_arg_parser(FlexibleArgumentParser())


def resolve(request):
    """Return, for each list of arguments of ``vllm serve``, what vLLM makes of it, or its objection."""
    return {"ok": True, "answers": [_resolve(argv) for argv in request["argvs"]]}


def _resolve(argv):
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.entrypoints.launchers.cli_args import validate_parsed_serve_args
    from vllm.usage.usage_lib import UsageContext

    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint), contextlib.redirect_stdout(complaint):
            args = _parser().parse_args(argv)
            args.model = getattr(args, "model_tag", None) or args.model
            validate_parsed_serve_args(args)
            config = AsyncEngineArgs.from_cli_args(args).create_engine_config(UsageContext.OPENAI_API_SERVER)
    except SystemExit:
        lines = complaint.getvalue().strip().splitlines() or ["the arguments were refused"]
        return {"ok": False, "kind": "argument", "error": lines[-1]}
    except Exception as error:  # whatever vLLM's validators raise is the answer
        return {"ok": False, "kind": "refused", "error": f"{type(error).__name__}: {error}"}
    front_end = {name: _plain(getattr(args, name, None)) for name in ("api_server_count", "renderer_num_workers")}
    return {"ok": True, "resolved": _plain(config), "front_end": front_end}


def _plain(value, depth=0):
    if isinstance(value, (str, int, float, bool, type(None))):
        return value
    if dataclasses.is_dataclass(value) and depth < 4:
        names = [field.name for field in dataclasses.fields(value) if field.name not in UNSTABLE]
        return {name: _plain(getattr(value, name, None), depth + 1) for name in names}
    if isinstance(value, dict):
        return {str(key): _plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, depth + 1) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted(str(item) for item in value)
    return f"{type(value).__name__}" if " at 0x" in repr(value) else str(value)[:120]


def parameters(request):
    """Return every option of ``vllm serve`` in this version."""
    rows = []
    for action in _parser()._actions:
        names = [name for name in action.option_strings if name.startswith("--") and not name.startswith("--no-")]
        if names:
            rows.append(
                {
                    "name": action.dest,
                    "flag": names[0],
                    "default": _plain(action.default),
                    "choices": [_plain(choice) for choice in action.choices] if action.choices else None,
                    "is_switch": any(name.startswith("--no-") for name in action.option_strings),
                    "help": (action.help or "").split("\n")[0],
                }
            )
    import vllm
    import vllm.envs

    known = {"parameters": rows, "variables": sorted(getattr(vllm.envs, "environment_variables", ()))}
    return {"ok": True, "version": vllm.__version__, "platform": _platform(), **known}


def _platform():
    from vllm.platforms import current_platform

    return {"device": current_platform.device_type, "name": current_platform.get_device_name() if current_platform.is_cuda() else "cpu"}


def run_load(request):
    """Run ``vllm bench serve`` with ``request["argv"]`` in this process; requests may come from a file of ours."""
    import vllm.benchmarks.serve as bench
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    parser = FlexibleArgumentParser()
    bench.add_cli_args(parser)
    args = parser.parse_args(request["argv"])
    if request.get("requests"):
        bench.get_samples = lambda _args, tokenizer: _samples(request, tokenizer)
    said = io.StringIO()
    before = energy.joules()
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            result = bench.main(args)
    except BaseException as error:
        return {"ok": False, "kind": "raised", "error": f"{type(error).__name__}: {error}", "said": said.getvalue()[-4000:]}
    used = energy.between(before, energy.joules())
    kept = {key: _plain(value) for key, value in result.items() if key not in DETAILS}
    return {"ok": True, "result": kept, "joules": used, "requests": _times(result)}


def _times(result):
    """Return the milliseconds of every request by what was timed; nothing where one was not answered or is not told."""
    ttfts, latencies, lengths = (result.get(name) or [] for name in ("ttfts", "latencies", "output_lens"))
    if result.get("failed") or not len(ttfts) == len(latencies) == len(lengths):
        return {}
    each = list(zip(ttfts, latencies, lengths))
    return {
        "ttft": [1e3 * ttft for ttft in ttfts],
        "e2e": [1e3 * latency for latency in latencies],
        "tpot": [1e3 * (latency - ttft) / (n - 1) for ttft, latency, n in each if n > 1],
    }


def _samples(request, tokenizer):
    import numpy as np
    from vllm.benchmarks.datasets.datasets import SampleRequest

    special = set(tokenizer.all_special_ids)
    vocabulary = np.array([i for i in range(tokenizer.vocab_size) if i not in special])

    def tokens(length, *seed):
        return np.random.default_rng([request.get("seed", 0), *seed]).choice(vocabulary, length).tolist()

    shared = functools.cache(tokens)

    def prompt_of(i, row):
        begun = [*shared(row["prefix_len"], 1, row.get("prefix", 0))] if row.get("prefix_len") else []
        if row.get("prompt"):
            return begun + tokenizer.encode(row["prompt"])
        own = [token for block in row.get("blocks", ()) for token in shared(row["block_len"], 3, block)]
        own = own[: row["input_len"]]
        return begun + own + tokens(row["input_len"] - len(own), 2, i)

    samples = []
    with open(request["requests"]) as lines:
        for i, row in enumerate(map(json.loads, lines)):
            prompt = prompt_of(i, row)
            samples.append(
                SampleRequest(
                    prompt=prompt,
                    prompt_len=len(prompt),
                    expected_output_len=row["output_len"],
                    timestamp=row.get("at_s"),
                    request_id=f"r{i}",
                )
            )
    return samples
