"""Commands: parameters in, results out, failures in words, and nothing left running."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from contracts.evaluator import EvaluatorContract

from trialogue.evaluators.errors import EvaluationFailed, InvalidSpecification
from trialogue.evaluators.problems.measurement import Measurement
from trialogue.evaluators.problems.problem import Problem
from trialogue.evaluators.programs.call import Evaluate, measure
from trialogue.evaluators.programs.command import Command
from trialogue.evaluators.programs.run import Run, Stopped
from trialogue.evaluators.spaces.parameters import Categorical, Float
from trialogue.evaluators.spaces.space import SearchSpace

SPACE = SearchSpace(
    [
        Categorical("kernel", ["linear", "rbf"]),
        Float("C", 0, 10),
        Float("gamma", 0, 1, when={"kernel": "rbf"}),
        Categorical("fast", [True, False]),
    ]
)
PROBLEM = Problem("p", SPACE)
PARAMS = {"kernel": "linear", "C": 2.0, "fast": True}


def python(code: str, *arguments: str, **options: Any) -> Command:
    return Command([sys.executable, "-c", code, *arguments], **options)


def value(command: Command, workdir: Path, params: Mapping[str, Any] = PARAMS) -> float:
    found = measure(command, params, PROBLEM, Run(seed=5, workdir=workdir))
    assert isinstance(found, Measurement)
    return found.value


def failure(command: Command, workdir: Path) -> EvaluationFailed:
    with pytest.raises(EvaluationFailed) as caught:
        measure(command, PARAMS, PROBLEM, Run(workdir=workdir))
    return caught.value


class TestCommand(EvaluatorContract):
    reports = True

    @pytest.fixture
    def problem(self) -> Problem:
        return PROBLEM

    @pytest.fixture
    def evaluate(self, tmp_path: Path) -> Evaluate:
        code = (
            "import sys, time\nC = float(sys.argv[1])\nif C > 9: sys.exit('C is too large')\n"
            'for i in range(3):\n    print(\'{"step": %d, "value": %r}\' % (i, C), flush=True)\n'
            "    time.sleep(0.05)\nprint(C * C)"
        )
        return python(code, "{C}")

    @pytest.fixture
    def working(self, problem: Problem) -> Mapping[str, Any]:
        return PARAMS

    @pytest.fixture
    def failing(self) -> Mapping[str, Any]:
        return {**PARAMS, "C": 10.0}


def test_parameters_arrive_as_arguments(tmp_path: Path) -> None:
    show = "import sys; print(len(sys.argv)); sys.stderr.write(repr(sys.argv[1:]))"
    command = python(
        show, "--C={C}", "--gamma", "{gamma}", "-k", "{kernel}", "--g={gamma}", "--fast", "{fast}", "{{x}}"
    )
    assert value(command, tmp_path) == 7
    assert (tmp_path / "stderr.txt").read_text() == "['--C=2.0', '-k', 'linear', '--fast', 'true', '{x}']"
    assert value(command, tmp_path, {**PARAMS, "kernel": "rbf", "gamma": 0.5}) == 10


def test_parameters_arrive_in_the_environment_and_as_json(tmp_path: Path) -> None:
    code = (
        "import json, os; e = os.environ; p = json.loads(e['TRIALOGUE_PARAMS']);"
        "q = json.load(open(e['TRIALOGUE_PARAMS_FILE'])); assert p == q, (p, q);"
        "assert 'GAMMA' not in e and e['FAST'] == 'true' and e['TRIALOGUE_SEED'] == '5';"
        "print(p['C'] + float(e['C_VALUE']))"
    )
    command = python(code, env={"C_VALUE": "{C}", "GAMMA": "{gamma}", "FAST": "{fast}"})
    assert value(command, tmp_path) == 4


def test_a_json_file_may_be_named_in_the_arguments(tmp_path: Path) -> None:
    code = "import json, sys; print(json.load(open(sys.argv[1]))['C'] + int(sys.argv[2]))"
    assert value(python(code, "{params_file}", "{seed}"), tmp_path) == 7


def test_the_last_json_line_is_the_result(tmp_path: Path) -> None:
    code = 'print("epoch 1"); print(1);  print(\'{"value": 3, "loss": 2}\'); print("[1]"); print("ok")'
    found = measure(python(code), PARAMS, PROBLEM, Run(workdir=tmp_path))
    assert isinstance(found, Measurement)
    assert found.values == (3.0,)
    assert found.metrics == {"loss": 2}


def test_a_result_may_stand_in_a_file(tmp_path: Path) -> None:
    code = "import sys; open(sys.argv[1], 'w').write('{\"value\": 4}'); print(1)"
    assert value(python(code, "{result_file}", result_file="out.json"), tmp_path) == 4
    missing = failure(python("print(1)", result_file="none.json"), tmp_path)
    assert missing.kind == "invalid"
    assert "wrote no none.json" in missing.reason
    broken = failure(
        python("open('x.json', 'w').write('{')", result_file=str(tmp_path / "x.json"), cwd=tmp_path), tmp_path
    )
    assert "holds no JSON" in broken.reason


FAILURES: list[tuple[str, str, str]] = [
    ("import sys; sys.exit('no such kernel')", "crash", "exit status 1: no such kernel"),
    ("raise ValueError('bad C')", "crash", "ValueError: bad C"),
    ("raise MemoryError", "out_of_memory", "MemoryError"),
    (
        "import sys; print('torch.OutOfMemoryError: CUDA out of memory', file=sys.stderr); sys.exit(1)",
        "out_of_memory",
        "CUDA",
    ),
    ("import sys; sys.exit(75)", "infrastructure", "exit status 75"),
    ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "crash", "killed by SIGSEGV"),
    ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "crash", "killed by SIGKILL (often"),
    ("print('done')", "invalid", "printed no result"),
    ("print('NaN')", "invalid", "finite"),
    ('print(\'{"failed": "diverged"}\')', "crash", "diverged"),
    ('print(\'{"step": 1.5, "value": 2}\')', "invalid", "a report must be like"),
    ("print('{\"step\": 1}')", "invalid", "a report must be like"),
]


@pytest.mark.parametrize(("code", "kind", "words"), FAILURES)
def test_failures_have_a_kind_and_the_last_words(tmp_path: Path, code: str, kind: str, words: str) -> None:
    failed = failure(python(code), tmp_path)
    assert failed.kind == kind
    assert words in failed.reason


def test_only_the_last_lines_are_kept(tmp_path: Path) -> None:
    failed = failure(
        python("import sys\nfor i in range(99): print('line', i, file=sys.stderr)\nsys.exit(2)"), tmp_path
    )
    assert "line 98" in failed.reason
    assert "line 78" not in failed.reason


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


FAMILY = (
    "import pathlib, subprocess, sys, time\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
    "pathlib.Path(sys.argv[1]).write_text(str(child.pid))\n"
)


def gone(pid_file: Path) -> bool:
    pid = int(pid_file.read_text())
    deadline = time.monotonic() + 5
    while alive(pid) and time.monotonic() < deadline:
        os.sched_yield()
    return not alive(pid)


def test_a_timeout_ends_the_whole_family(tmp_path: Path) -> None:
    start = time.monotonic()
    failed = failure(python(FAMILY + "time.sleep(60)", str(tmp_path / "pid"), timeout_s=3.0), tmp_path)
    assert failed.kind == "timeout"
    assert "no result within 3 s" in failed.reason
    assert time.monotonic() - start < 20
    assert gone(tmp_path / "pid")


def test_a_program_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('x', flush=True); time.sleep(60)"
    assert failure(python(code, timeout_s=0.7), tmp_path).kind == "timeout"


def test_children_that_outlive_their_parent_are_ended_and_do_not_delay(tmp_path: Path) -> None:
    start = time.monotonic()
    assert value(python(FAMILY + "print(3)", str(tmp_path / "pid")), tmp_path) == 3
    assert time.monotonic() - start < 20
    assert gone(tmp_path / "pid")


def test_a_program_told_to_stop_is_ended(tmp_path: Path) -> None:
    code = FAMILY + 'print(\'{"step": 3, "value": 0.5}\', flush=True); time.sleep(60)'
    run = Run(workdir=tmp_path, on_report=lambda step, value: step >= 3)
    start = time.monotonic()
    assert measure(python(code, str(tmp_path / "pid")), PARAMS, PROBLEM, run) == Stopped(3, 0.5)
    assert time.monotonic() - start < 10
    assert gone(tmp_path / "pid")


def test_an_interrupt_ends_the_program(tmp_path: Path) -> None:
    def interrupt(step: int, value: float) -> bool:
        raise KeyboardInterrupt

    code = FAMILY + 'print(\'{"step": 0, "value": 0}\', flush=True); time.sleep(60)'
    with pytest.raises(KeyboardInterrupt):
        measure(
            python(code, str(tmp_path / "pid")), PARAMS, PROBLEM, Run(workdir=tmp_path, on_report=interrupt)
        )
    assert gone(tmp_path / "pid")


OWNER = """
import sys
from pathlib import Path
from trialogue.evaluators.programs.command import Command
from trialogue.evaluators.programs.run import Run
Command([sys.executable, "-c", sys.argv[1], sys.argv[2]])({}, Run(workdir=Path(sys.argv[3])))
"""


def test_a_program_does_not_outlive_an_owner_that_is_killed(tmp_path: Path) -> None:
    code = FAMILY + "pathlib.Path(sys.argv[1] + '.up').touch(); time.sleep(60)"
    owner = subprocess.Popen([sys.executable, "-c", OWNER, code, str(tmp_path / "pid"), str(tmp_path)])
    deadline = time.monotonic() + 60
    while not (tmp_path / "pid.up").exists() and time.monotonic() < deadline:
        os.sched_yield()
    owner.kill()
    owner.wait()
    assert gone(tmp_path / "pid")


def test_a_program_that_vanished_since_is_the_machines_fault(tmp_path: Path) -> None:
    program = tmp_path / "tool"
    program.write_text("#!/bin/sh\necho 3\n")
    program.chmod(0o755)
    command = Command([str(program)])
    assert value(command, tmp_path) == 3
    program.unlink()
    failed = failure(command, tmp_path)
    assert failed.kind == "infrastructure"
    assert "could not be started: No such file" in failed.reason


def test_a_program_that_closes_its_output_is_waited_for(tmp_path: Path) -> None:
    code = "import os, time; print(3, flush=True); os.close(1); time.sleep(0.3); os._exit(4)"
    assert "exit status 4" in failure(python(code), tmp_path).reason
    slow = "import os, time; os.close(1); time.sleep(60)"
    assert failure(python(slow, timeout_s=0.5), tmp_path).kind == "timeout"


def test_much_output_is_no_problem(tmp_path: Path) -> None:
    code = "import sys\nsys.stdout.write('x' * 3_000_000 + '\\n' + '7')\nsys.stderr.write('y' * 3_000_000)"
    assert value(python(code), tmp_path) == 7


BAD: list[tuple[Any, str]] = [
    (lambda: Command([]), "must be a list of words"),
    (lambda: Command("python train.py"), "must be a list of words"),
    (lambda: Command([3]), "must be a list of words"),
    (lambda: Command(["no-such-program-anywhere"]), "there is no program 'no-such-program-anywhere'"),
    (lambda: Command(["./no-such-file"]), "there is no program"),
    (lambda: Command(["python3"], timeout_s=0), "`timeout_s` must be a positive number"),
    (lambda: Command(["python3"], timeout_s=True), "`timeout_s` must be a positive number"),
    (lambda: Command(["python3"], env=["A"]), "`env` must map names to text"),
    (lambda: Command(["python3"], cwd="/no/such/folder"), "`cwd` must be a folder"),
    (lambda: Command(["python3", "{Cc}"]).check(SPACE), r"nothing fills {Cc} in '{Cc}'; did you mean {C}\?"),
    (lambda: Command(["python3"], env={"A": "{zzz}"}).check(SPACE), "there are kernel, C"),
]


@pytest.mark.parametrize(("make", "message"), BAD)
def test_what_cannot_run_is_refused_before_the_study_starts(make: Any, message: str) -> None:
    with pytest.raises(InvalidSpecification, match=message):
        make()


def test_braces_of_other_languages_are_left_alone() -> None:
    Command(["python3", '{"a": 1}', "{C}", "{params_file}", "{{print}}"]).check(SPACE)


def test_the_interpreter_may_be_asked_for(tmp_path: Path) -> None:
    assert value(Command(["{python}", "-c", "print(1)"]), tmp_path) == 1


def test_a_command_that_leaves_out_a_parameter_is_told() -> None:
    with pytest.raises(InvalidSpecification, match="leaves out the parameter 'kernel'"):
        python("print(1)", "{C}", "{gamma}", "{fast}").check(SPACE)
    for arguments in ((), ("{kernel}", "{C}", "{gamma}", "{fast}"), ("{C}", "{params_file}")):
        python("print(1)", *arguments).check(SPACE)
    python("print(1)", "{C}", "{kernel}", env={"G": "{gamma}", "FAST": "{fast}"}).check(SPACE)


def test_a_parameter_that_vanishes_with_another_fails_the_trial(tmp_path: Path) -> None:
    failed = failure(python("print(1)", "{C}/{gamma}"), tmp_path)
    assert failed.kind == "invalid"
    assert "leaves out `C`, for '{C}/{gamma}' vanishes" in failed.reason


def test_a_placeholder_that_nothing_fills_fails_the_trial_where_nobody_checked(tmp_path: Path) -> None:
    failed = failure(python("print(1)", "{learning rate}"), tmp_path)
    assert "nothing fills {learning rate}" in failed.reason


def test_an_inactive_parameter_named_like_an_extra_is_inactive(tmp_path: Path) -> None:
    space = SearchSpace([Categorical("on", [True, False]), Float("seed", 0, 1, when={"on": True})])
    command = python("import sys; print(len(sys.argv))", "{on}", "--seed", "{seed}")
    for params, words in (({"on": False}, 2), ({"on": True, "seed": 0.5}, 4)):
        found = measure(command, params, Problem("p", space), Run(workdir=tmp_path))
        assert isinstance(found, Measurement)
        assert found.value == words


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (
            "print('accuracy 0.93')",
            "its last line is 'accuracy 0.93'. The last line must be a number or JSON",
        ),
        ("print(0 * 'x')", "it printed nothing"),
        (
            'print(\'{"step": 3, "value": 0.5}\')',
            "which reports a step; print the result once more without `step`",
        ),
        ("print('x' * 5000)", "printed no result"),
    ],
)
def test_a_last_line_that_is_no_result_is_shown(tmp_path: Path, code: str, words: str) -> None:
    failed = failure(python(code), tmp_path)
    assert failed.kind == "invalid"
    assert words in failed.reason
    assert len(failed.reason) < 2_500


def test_a_result_may_go_over_several_lines(tmp_path: Path) -> None:
    code = (
        "import json; print(0.1); print(json.dumps({'value': 0.5, 'm': {'x': 1}}, indent=2)); print('done')"
    )
    assert value(python(code), tmp_path) == 0.5
    assert (
        value(
            python("open('r.txt', 'w').write('+.5')", result_file=f"{tmp_path}/r.txt", cwd=tmp_path), tmp_path
        )
        == 0.5
    )


def test_a_number_of_400_digits_fails_the_trial(tmp_path: Path) -> None:
    for code in (
        "print(10**400)",
        'print(\'{"value": 1%s}\' % ("0" * 400))',
        'print(\'{"step": 1, "value": 1%s}\' % ("0" * 400))',
    ):
        assert failure(python(code), tmp_path).kind == "invalid"
