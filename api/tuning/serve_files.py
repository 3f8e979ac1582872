"""The recommended server as files that run by themselves: a shell script, and vLLM's own YAML.

Both say everything that decided the measured speed: flags, environment variables, and for builds that need it where
their metadata are. They listen on the loopback interface unless told otherwise.
"""

import json
import shlex

from ...serving.servers.installation import Installation
from ...serving.servers.server import ServerSpec
from ...serving.vllm.environment import VllmEnvironment

LOOPBACK = "127.0.0.1"


def serve_script(spec: ServerSpec, environment: Installation) -> str:
    """Return a shell script that serves a configuration; what follows its name is added to the server's arguments. A
    variable with the program's name (``VLLM``, ``LLAMA_SERVER``) names another program."""
    variables = dict(spec.variables)
    if isinstance(environment, VllmEnvironment) and environment.shim is not None:
        variables = {"PYTHONPATH": str(environment.shim), **variables}
    exports = [f"export {name}={shlex.quote(value)}\n" for name, value in variables.items()]
    name = spec.program[0].upper().replace("-", "_")
    program = shlex.quote(environment.command()[-len(spec.program)])
    arguments = " ".join(map(shlex.quote, [*spec.program[1:], *spec.argv(), "--host", LOOPBACK]))
    return "".join(
        ["#!/bin/sh\n", *exports, f"{name}=${{{name}:-{program}}}\n", f'exec "${name}" {arguments} "$@"\n']
    )


def serve_yaml(spec: ServerSpec) -> str:
    """Return a file for ``vllm serve --config``: JSON scalars are YAML. Variables stand in comments."""
    comments = [f"# needs {name}={shlex.quote(value)}\n" for name, value in spec.variables.items()]
    values = {"model": spec.model, "host": LOOPBACK, **{k: v for k, v in spec.flags.items() if v is not None}}
    return "".join(
        comments + [f"{name.replace('_', '-')}: {json.dumps(value)}\n" for name, value in values.items()]
    )
