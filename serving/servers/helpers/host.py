"""Hold vLLM servers: a process that starts, watches and stops them, and dies with whoever started it.

Run by vLLM's own interpreter; speaks JSON lines on stdin and stdout, one answer per request. ``host.py cold`` starts
each server as a fresh process, like a shell would. ``host.py warm`` imports vLLM once and forks: a server is then ready
in seconds, and checking a configuration or generating load costs no import. When stdin ends, everything is killed.

Requests (each with ``id``): serve, poll, stop, shutdown; warm only: preflight, parameters, load. ``cancel`` ends the
running preflight or load. Imports nothing of trialogue.
"""

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

import process_session as session


class Host:
    """State of one host: the children it watches and the lines it has not read yet."""

    def __init__(self, warm, answers, scratch):
        self.warm = warm
        self.scratch = scratch  # for temporary files of all servers: killed ones leave sockets
        self.answers = answers  # file descriptor
        self.exits = {}  # pid -> wait status
        self.memory = {}  # pid of a server -> shared memory seen
        self.buffer = b""

    def run(self):
        """Serve requests until ``shutdown`` or the end of stdin, then end every server."""
        self.answer({"event": "ready", "warm": self.warm, "scratch": self.scratch})
        try:
            while (request := self.next_request()) is not None and request["op"] != "shutdown":
                self.answer({"id": request.get("id"), **self.perform(request)})
        finally:
            for pid in list(self.memory):
                self.stop({"pid": pid, "grace_s": 0})
            shutil.rmtree(self.scratch, ignore_errors=True)

    def answer(self, message):
        """Write one line; a reader that has gone is not an error here, the end of stdin will tell."""
        try:
            os.write(self.answers, json.dumps(message, default=str).encode() + b"\n")
        except BrokenPipeError:
            pass

    def next_request(self):
        """Return the next request, None at the end of stdin."""
        while b"\n" not in self.buffer:
            data = os.read(0, 65536)
            if not data:
                return None
            self.buffer += data
        line, _, self.buffer = self.buffer.partition(b"\n")
        return json.loads(line)

    def perform(self, request):
        """Return the answer to one request; an error of ours is an answer too."""
        try:
            return getattr(self, request["op"])(request)
        except Exception:  # the edge of this process: the other side gets the trace
            return {"ok": False, "error": traceback.format_exc()}

    def reap(self):
        """Collect every child that has ended."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self.exits[pid] = status

    def serve(self, request):
        """Start a server in a session of its own; its pid is the session."""
        env = {**request["env"], "TMPDIR": self.scratch}
        if self.warm:
            import forked

            pid = forked.fork_server(request["argv"], env, request["log"])
        else:
            pid = spawn_server(request["command"], env, request["log"])
        self.memory[pid] = set()
        return {"ok": True, "pid": pid}

    def poll(self, request):
        """Say whether a server still runs; remembers the shared memory it maps."""
        pid = request["pid"]
        self.reap()
        processes = session.members(pid)
        if pid in self.memory:
            self.memory[pid] |= session.shared_memory(processes)
        status = self.exits.get(pid)
        code = None if status is None else os.waitstatus_to_exitcode(status)
        return {"ok": True, "exit": code, "processes": processes}

    def stop(self, request):
        """End a server's whole session and remove the shared memory it left."""
        pid = request["pid"]
        files = self.memory.pop(pid, set()) | session.shared_memory(session.members(pid))
        left = session.stop(pid, request["grace_s"], self.reap)
        removed = session.unlink_unused(files) if files else 0
        self.exits.pop(pid, None)
        return {"ok": not left, "left": left, "shared_memory_removed": removed}

    def preflight(self, request):
        """Let vLLM resolve a configuration in a forked child."""
        return self.in_child("resolve", request)

    def parameters(self, request):
        """List the installed version's parameters."""
        return self.in_child("parameters", request)

    def load(self, request):
        """Run vLLM's own benchmark client in a forked child."""
        return self.in_child("run_load", request)

    def in_child(self, function, request):
        """Run ``forked.function(request)`` in a forked child and return its answer."""
        import forked

        pid, pipe = forked.fork_call(function, request)
        try:
            data, why = self.collect(pipe, time.monotonic() + request["timeout_s"])
        finally:
            os.close(pipe)
        left = session.members(pid)
        session.signal_all(left, signal.SIGKILL)
        while pid not in self.exits:
            self.reap()
            time.sleep(0.002)
        self.exits.pop(pid)
        if why:
            return {"ok": False, "error": why, "kind": why}
        if not data:
            return {"ok": False, "error": "the child ended without an answer", "kind": "died"}
        return json.loads(data)

    def collect(self, pipe, deadline):
        """Read a pipe to its end, or until the deadline, a cancel request or the end of stdin."""
        data = b""
        watched = [pipe, 0]
        while True:
            ready, _, _ = select.select(watched, [], [], max(deadline - time.monotonic(), 0))
            if pipe in ready:
                part = os.read(pipe, 1 << 20)
                if not part:
                    return data, None
                data += part
            elif 0 in ready:
                line = os.read(0, 65536)
                if b'"cancel"' in line or not line:
                    return b"", "cancelled"
                self.buffer += line
            else:
                return b"", "timeout"


def spawn_server(command, env, log):
    """Start ``command`` as a fresh process that dies with this one."""
    with open(log, "ab") as file:
        process = subprocess.Popen(
            command,
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=session.die_with_parent,
        )
    process.returncode = 0  # this host reaps its children itself
    return process.pid


def main():
    """Keep stdout for answers, send everything else to stderr, and run."""
    answers = os.dup(1)
    os.dup2(2, 1)
    os.set_inheritable(answers, False)
    session.adopt_orphans()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(0))
    warm = sys.argv[1:2] == ["warm"]
    scratch = tempfile.mkdtemp(prefix="trialogue-")
    os.environ["TMPDIR"] = tempfile.tempdir = scratch
    if warm:
        import forked

        forked.import_vllm()
    Host(warm, answers, scratch).run()


if __name__ == "__main__":
    main()
