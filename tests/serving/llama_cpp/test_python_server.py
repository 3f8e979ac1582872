"""llama-cpp-python as it is installed: found, or refused with a cure; its settings are not those of the shell."""

from pathlib import Path

import pytest

from trialogue.serving.errors import InvalidInput
from trialogue.serving.llama_cpp.environment import LlamaNotInstalled
from trialogue.serving.llama_cpp.python_server import LlamaPython, find_llama_python
from trialogue.serving.models.pretrained import gguf_file


def test_it_is_found_by_its_metadata_and_by_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.executable", str(tmp_path / "venv" / "bin" / "python"))
    with pytest.raises(LlamaNotInstalled, match="make llama"):
        find_llama_python()
    (tmp_path / ".llama/lib/python3.11/site-packages/llama_cpp_python-0.3.36.dist-info").mkdir(parents=True)
    assert find_llama_python() == LlamaPython(tmp_path / ".llama/bin/python", "0.3.36")


def test_a_shell_s_variables_are_not_taken_for_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY", "somebody else's")
    monkeypatch.setenv("SEED", "not a number")
    variables = LlamaPython(Path("python"), "0").variables({"N_CTX": "8192"})
    assert not {"API_KEY", "SEED"} & variables.keys()
    assert variables["N_CTX"] == "8192"


def test_llama_cpp_serves_files_and_says_what_to_do_about_anything_else(tmp_path: Path) -> None:
    file = tmp_path / "m.gguf"
    file.write_bytes(b"GGUF")
    assert gguf_file(str(file)) == file
    with pytest.raises(InvalidInput, match="trialogue models get smollm2"):
        gguf_file("smollm2", tmp_path)
    with pytest.raises(InvalidInput, match="serves GGUF files"):
        gguf_file(str(tmp_path))
