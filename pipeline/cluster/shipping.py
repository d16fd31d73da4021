"""Finds the user's own modules that other nodes of a cluster need.

A part may be named as `module:Class` from a file next to the config, which other nodes do not have.
Installed packages are not sent: like berry itself, they must be installed on every node.

The named module is sent together with the modules that it has imported from the same folder; a package
is sent with its whole folder. Modules imported later or from elsewhere, and files that a module reads,
are not sent.
"""

import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

from verifiers.plugins import Part

_OURS = frozenset({"pipeline", "reward_models", "sandbox", "verifiers"})


def modules_to_ship(parts: Iterable[Part]) -> list[str]:
    """Sorted files and package folders that define the parts, without installed parts."""
    places = {place for part in parts if (place := _place(_top(part.cls.__module__))) is not None}
    folders = {place.parent for place in places}
    neighbours = (_place(name) for name in list(sys.modules) if "." not in name)
    places |= {place for place in neighbours if place is not None and place.parent in folders}
    return sorted(map(str, places))


def _top(module: str) -> str:
    return module.partition(".")[0]


def _place(name: str) -> Path | None:
    """File or folder of a top-level module; None if it is installed or has no file."""
    module = sys.modules.get(name)
    folders = list(getattr(module, "__path__", ()))
    file = getattr(module, "__file__", None)
    if name in _OURS or name == "__main__" or not (folders or file):
        return None
    place = Path(folders[0] if folders else str(file)).resolve()
    if any(place.is_relative_to(installed) for installed in _installed()):
        return None
    return place if place.is_dir() or place.suffix == ".py" else None


def _installed() -> set[Path]:
    """Folders of the standard library and of installed packages."""
    paths = sysconfig.get_paths()
    return {Path(paths[key]).resolve() for key in ("stdlib", "platstdlib", "purelib", "platlib")}
