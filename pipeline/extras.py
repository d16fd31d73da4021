"""Which of berry's extras installs a missing package.

`pip install berry-pipeline` installs the light part; extras add the packages that only some commands
need. If one of these is missing, the command raises `MissingPackage`, which names the extra. The
tables hold import names; a test compares them with `pyproject.toml`.
"""

import importlib.util
from collections.abc import Mapping

from pipeline.errors import UserMistake

LIGHT = (
    "aiohttp",
    "click",
    "filelock",
    "jinja2",
    "jsonschema",
    "jsonschema_specifications",
    "latex2sympy2_extended",
    "mpmath",
    "numpy",
    "openai",
    "pebble",
    "prometheus_client",
    "psutil",
    "pyarrow",
    "pydantic",
    "pydantic_core",
    "yaml",
    "referencing",
    "regex",
    "rensa",
    "rich",
    "scipy",
    "sympy",
    "upath",
)
"""Packages of every install."""
EXTRAS: Mapping[str, tuple[str, ...]] = {
    "run": ("ray", "torch", "transformers", "tokenizers", "datasets", "huggingface_hub"),
    "train": ("torch", "transformers", "accelerate", "peft", "trl", "datasets", "huggingface_hub"),
    "eval": ("sklearn", "matplotlib"),
    "gym": ("reasoning_gym",),
    "gpu": ("vllm",),
    "cpu": ("vllm", "gguf"),
    "s3": ("s3fs",),
    "test": ("pytest",),
}
"""Extra -> the packages it adds. If several add the same package, the first is recommended."""
_DISTRIBUTIONS = {
    "huggingface_hub": "huggingface-hub",
    "jsonschema_specifications": "jsonschema-specifications",
    "latex2sympy2_extended": "latex2sympy2-extended",
    "prometheus_client": "prometheus-client",
    "pydantic_core": "pydantic-core",
    "reasoning_gym": "reasoning-gym",
    "sklearn": "scikit-learn",
    "upath": "universal-pathlib",
    "yaml": "pyyaml",
}
"""Import name -> distribution name, if they differ."""
_OF_COMMANDS = {"train": "train"}
"""Command -> the extra to recommend to its users, if that extra has the missing package."""


class MissingPackage(UserMistake):
    """A package is not installed; the message names the extra that installs it."""


def distribution(package: str) -> str:
    """The name to install an imported package by."""
    return _DISTRIBUTIONS.get(package, package)


def how_to_install(package: str, command: str | None = None) -> str | None:
    """The command that installs a package that berry imports; None for any other package."""
    if package in LIGHT:
        return "pip install berry-pipeline"
    extras = [extra for extra, packages in EXTRAS.items() if package in packages]
    if not extras:
        return None
    if package == "vllm":
        return (
            "pip install 'berry-pipeline[gpu]', or 'berry-pipeline[cpu]' on a machine without a GPU "
            "(docs/installing.md)"
        )
    wanted = _OF_COMMANDS.get(command or "")
    return f"pip install 'berry-pipeline[{wanted if wanted in extras else extras[0]}]'"


def explain_missing(error: ModuleNotFoundError, command: str | None = None) -> str | None:
    """One line for the user; None if the module belongs to no package that berry imports."""
    package = (error.name or "").partition(".")[0]
    # A missing module inside an installed package means that the installation is damaged.
    if error.name != package or (install := how_to_install(package, command)) is None:
        return None
    return _explain(f"`berry {command}`" if command else "berry", package, install)


def missing(package: str, needed_by: str) -> str | None:
    """One line for the user if the package is not installed; else None.

    For parts whose callers would wrap the ImportError. The package must be in one of the tables;
    `needed_by` is a key of the config.
    """
    if importlib.util.find_spec(package) is not None:
        return None
    install = how_to_install(package)
    assert install is not None, f"{package} is in no table"
    return _explain(needed_by, package, install)


def require(*packages: str, command: str) -> None:
    """Raises MissingPackage for the first of the packages that is not installed.

    For commands that would otherwise fail only after minutes of work.
    """
    for package in packages:
        if importlib.util.find_spec(package) is None:
            why = explain_missing(ModuleNotFoundError(name=package), command)
            assert why is not None, f"{package} is in no table"
            raise MissingPackage(why)


def _explain(needed_by: str, package: str, install: str) -> str:
    name = distribution(package)
    return f"{needed_by} needs the package {name}, which is not installed: {install}"
