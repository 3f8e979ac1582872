"""Load a Python function named as ``"module:name"`` or ``"path/to/file.py:name"``, as in a specification file."""

import importlib
import importlib.util
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from ..errors import InvalidSpecification
from ..spaces.base import words_of
from .call import Evaluate


def load_function(name: str, folder: Path | str = ".") -> Evaluate:
    """Return the callable; ``folder`` is searched for the module first and stays on the path, for its own imports.

    Raises InvalidSpecification when the module cannot be imported or the name is not a callable in it.
    """
    module_name, colon, attribute = name.rpartition(":") if isinstance(name, str) else ("", "", "")
    if not colon or not module_name or not attribute:
        raise InvalidSpecification(f"`function` must be 'module:name' or 'file.py:name', got {name!r}.")
    module = _imported(module_name, Path(folder).resolve())
    member: object = module
    for part in attribute.split("."):
        if not hasattr(member, part):
            raise InvalidSpecification(
                f"{module_name!r} has no {attribute!r}; it defines {_callables(module)}."
            )
        member = getattr(member, part)
    if not callable(member):
        raise InvalidSpecification(
            f"{name!r} must be callable, got {member!r}; name a function of parameters."
        )
    return member


def _imported(name: str, folder: Path) -> ModuleType:
    with _explained(name):
        if name.endswith(".py"):
            return _from_file((folder / name).resolve())
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
        return importlib.import_module(name)


def _from_file(path: Path) -> ModuleType:
    """Return the module in a file, under its own name where that is free, so that worker processes find it too."""
    if not path.is_file():
        raise InvalidSpecification(f"`function`: there is no file {str(path)!r}.")
    name = path.stem
    if name in sys.modules or importlib.util.find_spec(name) is not None:
        name = f"{name}_{zlib.crc32(str(path).encode()):08x}"
    if str(path.parent) not in sys.path:
        sys.path.append(
            str(path.parent)
        )  # for what it imports from beside it; last, so that it hides nothing
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Turn what goes wrong while importing into one message."""
    try:
        yield
    except InvalidSpecification:
        raise
    except ImportError as error:
        raise InvalidSpecification(f"`function`: {name!r} cannot be imported: {error}.") from error
    except Exception as error:  # a module may raise anything while it is imported
        raise InvalidSpecification(
            f"`function`: importing {name!r} raised {type(error).__name__}: {words_of(error)}."
        ) from error


def _callables(module: ModuleType) -> str:
    names = [
        n for n, v in vars(module).items() if callable(v) and getattr(v, "__module__", "") == module.__name__
    ]
    return ", ".join(names) or "no functions"
