"""The engine and the verifier of an export that samples, in this process: no Ray is started."""

import copy
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.config import KINDS, ConfigError
from pipeline.config.messages import explain
from pipeline.config.renamed import quiet, rename_keys
from pipeline.datasets.folder import RunFolder
from pipeline.datasets.identity import config_with_sandbox
from pipeline.derive.sections import read_sections
from pipeline.dispatch.judging import LocalJudge, close_judge, start_judge
from pipeline.engines import (
    EncodesText,
    Engine,
    EngineDied,
    EngineStartError,
    PromptFormat,
    Sampling,
    ScoresTokens,
)
from pipeline.engines.metered import MeteredEngine
from pipeline.errors import UserMistake
from pipeline.logs import output_to
from pipeline.rollouts.steps import StepConfig, StepSplitter
from pipeline.tree import Tree
from sandbox import SandboxConfig
from verifiers.catalog import CannotBuild, build_verifier
from verifiers.plugins import Part, PartOf


class _Sections(BaseModel):
    """What is read of the run's config."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    seed: int = 0
    prompt: PromptFormat = PromptFormat()
    engine: Annotated[Part, PartOf(KINDS["engine"])]
    sampling: Sampling = Sampling()
    steps: StepConfig = StepConfig()
    verifier: Annotated[Part, PartOf(KINDS["verifier"])]
    sandbox: SandboxConfig = SandboxConfig()


class _Other(BaseModel):
    """What is read of the config that is given with `--with`."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    engine: Annotated[Part, PartOf(KINDS["engine"])]
    sampling: Sampling | None = None
    sandbox: SandboxConfig = SandboxConfig()


@dataclass(frozen=True, slots=True, kw_only=True)
class Generator:
    """What makes chains: it has started."""

    engine: Engine
    encoder: EncodesText
    scorer: ScoresTokens | None
    """None if the engine cannot score tokens."""
    judge: LocalJudge
    splitter: StepSplitter
    sampling: Sampling

    def encode_text(self, text: str) -> tuple[int, ...]:
        """The ids of a text inside a response."""
        return self.encoder.encode_text(text)

    def check_reads(self, tree: Tree) -> None:
        """Raises UserMistake if the engine's tokenizer is not that of the tree."""
        root = tree.nodes[0]
        ids = self.encode_text(root.text)
        # Before it, a tokenizer without chat template has put its own first token.
        if root.token_ids[max(0, len(root.token_ids) - len(ids)) :] != ids:
            raise UserMistake(
                f"{self.engine.model_version}: expected a generator with the tokenizer of the run, got "
                "one that reads a prompt of the run as other token ids"
            )


@asynccontextmanager
async def started(folder: RunFolder, other: Path | None) -> AsyncIterator[Generator]:
    """The run's generator, or that of another config, with the run's verifier and rules.

    Raises ConfigError, EngineStartError, UserMistake for an engine that cannot encode text, and
    RunFailure if the verifier cannot start.
    """
    sections = _read_run(folder)
    given = None if other is None else read_sections(other, _Other)
    if given is None and folder.run["config"].get("engines"):
        raise UserMistake(
            f"{folder.path}: expected --with CONFIG, whose engine generates the chains, since the run "
            "has several engines"
        )
    part = sections.engine if given is None else given.engine
    inner: Engine = part.build(sections.prompt, sections.seed)
    if not isinstance(inner, EncodesText):
        raise UserMistake(
            f"engine.use={part.use}: expected an engine with a method `encode_text(self, text)`, which "
            "the openings of notices need (docs/own-engine.md); --with CONFIG names another engine"
        )
    try:
        verifier = build_verifier(sections.verifier, (given or sections).sandbox)
    except CannotBuild as e:
        raise UserMistake(str(e)) from e
    engine, judge = MeteredEngine(inner), LocalJudge(verifier)
    with _engine_log() as log:
        try:
            with output_to(log):
                await engine.start()
            await start_judge(judge)
            yield Generator(
                engine=engine,
                encoder=inner,
                scorer=inner if isinstance(inner, ScoresTokens) else None,
                judge=judge,
                splitter=StepSplitter(sections.steps),
                sampling=(given and given.sampling) or sections.sampling,
            )
        finally:
            await engine.close()
            await close_judge(judge)


@contextmanager
def _engine_log() -> Iterator[Path]:
    """A file for what the engine's processes write; if the engine fails, it stays and is named."""
    # Of vLLM's part in this process; it would write to standard output, which may be JSON.
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("VLLM_LOGGING_STREAM", "ext://sys.stderr")
    descriptor, name = tempfile.mkstemp(prefix="berry-engine-", suffix=".log")
    os.close(descriptor)
    log, is_wanted = Path(name), False
    try:
        yield log
    except (EngineDied, EngineStartError) as e:
        if is_wanted := log.stat().st_size > 0:
            raise type(e)(f"{e}; its output is in {log}") from e
        raise
    finally:
        if not is_wanted:
            log.unlink()


def _read_run(folder: RunFolder) -> _Sections:
    raw: dict[str, Any] = copy.deepcopy(config_with_sandbox(folder.run))
    rename_keys(raw, quiet)
    try:
        return _Sections.model_validate(raw)
    except ValidationError as e:
        raise ConfigError(f"{folder.path}: {explain(e, _Sections, raw)}") from e
