"""Which of the user's own modules the other nodes of a cluster need.

A part may be named by `module:Class` from a file beside the config, which no other node has. What is
installed is not sent: it has to be installed on every node, as berry itself.

With the named module go the modules of the same folder that it has imported, each as a whole: a package
with everything in its folder. What a module only imports later, from elsewhere, or reads as a file does
not go along.
"""

import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

from verifiers.plugins import Part

_OURS = frozenset({"pipeline", "reward_models", "sandbox", "verifiers"})


def modules_to_ship(parts: Iterable[Part]) -> list[str]:
    """Files and package folders that define the parts, sorted; those of installed parts left out."""
    places = {place for part in parts if (place := _place(_top(part.cls.__module__))) is not None}
    folders = {place.parent for place in places}
    beside = (_place(name) for name in list(sys.modules) if "." not in name)
    places |= {place for place in beside if place is not None and place.parent in folders}
    return sorted(map(str, places))


def _top(module: str) -> str:
    return module.partition(".")[0]


def _place(name: str) -> Path | None:
    """The file or folder of a top module; None for one that is installed or has no file."""
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
