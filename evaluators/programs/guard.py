"""Run a program that must not outlive the process which wants it: ``python guard.py PROGRAM [ARGUMENT…]``.

The guard leads the program's process group and holds one end of a pipe as its input. When the other end closes, its
owner is gone, killed without a chance to clean up, and the guard ends the group. Otherwise it ends as the program
ends, signal for signal. A script of its own, run without site-packages: it imports nothing of ours and starts in
about ten milliseconds.
"""

import os
import signal
import sys
import time

NOT_STARTED = 127
"""Exit status when the program cannot be started, as in a shell."""
GRACE_S = 2.0
"""Time between SIGTERM and SIGKILL once the owner is gone."""


class _Ended(Exception):
    """The program has ended, which is no error."""


def main(command: list[str]) -> int:
    """Run ``command`` and return its exit status; does not return when a signal ended it."""
    signal.signal(signal.SIGTERM, _ignore)  # the group is being ended; the program may clean up first
    signal.signal(signal.SIGCHLD, _raise_ended)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])  # also sent for a program that did not start
    try:
        _start(command)
    except OSError as error:
        print(f"{command[0]} could not be started: {error.strerror}", file=sys.stderr)
        return NOT_STARTED
    owned = True
    try:
        os.close(1)  # so that the reader of the output sees its end
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
        while os.read(0, 4096):  # nothing is ever written: it returns when the owner is gone
            pass
        owned = False
        os.killpg(0, signal.SIGTERM)
        time.sleep(GRACE_S)
    except _Ended:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if not owned:
        os.killpg(0, signal.SIGKILL)
    return _ended_like(os.waitpid(-1, 0)[1])


def _start(command: list[str]) -> None:
    """Start the program in this process group, with no input, and with the signals that Python ignores reset."""
    no_input = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
    reset = [signal.SIGPIPE, signal.SIGXFSZ]
    os.posix_spawnp(command[0], command, os.environ, file_actions=[no_input], setsigdef=reset, setsigmask=[])


def _ended_like(status: int) -> int:
    """Return the exit status of a program, or die of the signal that it died of."""
    if os.WIFEXITED(status):
        return os.WEXITSTATUS(status)
    number = os.WTERMSIG(status)
    if number not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    return 128 + number


def _ignore(number: int, frame: object) -> None:
    """Go on."""


def _raise_ended(number: int, frame: object) -> None:
    raise _Ended


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
