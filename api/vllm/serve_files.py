"""The recommended server as files that run by themselves: a shell script and vLLM's own YAML.

Both say everything that decided the measured speed: flags, environment variables, and for builds that need it where
their metadata are. They listen on the loopback interface unless told otherwise.
"""

import json
import shlex

from ...serving.servers.server import ServerSpec
from ...serving.vllm.environment import VllmEnvironment

LOOPBACK = "127.0.0.1"


def serve_script(spec: ServerSpec, environment: VllmEnvironment) -> str:
    """Return a shell script that serves a configuration; what follows its name is added to vLLM's arguments."""
    variables = dict(spec.variables)
    if environment.shim is not None:
        variables = {"PYTHONPATH": str(environment.shim), **variables}
    exports = [f"export {name}={shlex.quote(value)}\n" for name, value in variables.items()]
    vllm = shlex.quote(str(environment.python.with_name("vllm")))
    arguments = " ".join(map(shlex.quote, [*spec.argv(), "--host", LOOPBACK]))
    return "".join(
        ["#!/bin/sh\n", *exports, f"VLLM=${{VLLM:-{vllm}}}\n", f'exec "$VLLM" serve {arguments} "$@"\n']
    )


def serve_yaml(spec: ServerSpec) -> str:
    """Return a file for ``vllm serve --config``: JSON scalars are YAML. Variables stand in comments."""
    comments = [f"# needs {name}={shlex.quote(value)}\n" for name, value in spec.variables.items()]
    values = {"model": spec.model, "host": LOOPBACK, **{k: v for k, v in spec.flags.items() if v is not None}}
    return "".join(
        comments + [f"{name.replace('_', '-')}: {json.dumps(value)}\n" for name, value in values.items()]
    )
