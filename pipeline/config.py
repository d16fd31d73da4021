"""The run's config: YAML, with `key=value` from the command line on top, checked before anything runs.

Each part owns its section's model; this module only composes them. A mistake raises ConfigError with
one line that names the file, the key, what was expected and what was got.

Some keys only make sense for some `use`. When the command line changes a section's `use`, options
that the new part does not have are dropped with the old part; and a key that the section's part does
not have, but just one other built-in part has, switches to that part. So `problems.path=FILE` reads a
file whatever the config read before, and `engine.model=NAME` runs a real model.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipeline.branch_pruning import NEVER, BranchPruning
from pipeline.config_messages import Origin, explain
from pipeline.engines import ENGINES, Engine, PromptFormat, Sampling
from pipeline.engines.border import check_engine
from pipeline.engines.steps import StepConfig, StepSplitter
from pipeline.errors import UserMistake
from pipeline.labels import LabelConfig
from pipeline.own_code import raised
from pipeline.parsing import NotYaml, read_yaml
from pipeline.problems import SOURCES
from pipeline.problems.border import CheckedSource, check_source, open_source
from pipeline.problems.rows import RowConfig
from pipeline.prune import PruneConfig
from pipeline.scoring import REWARD_MODEL, scores_outcomes
from pipeline.search import STRATEGIES
from pipeline.search.budget import BudgetConfig, Budgeted
from reward_models import RewardModel
from reward_models.errors import RewardModelError
from sandbox import SandboxConfig
from verifiers import Verifier
from verifiers.catalog import VERIFIER, build_verifier
from verifiers.kinds import target_kinds
from verifiers.mistakes import shown
from verifiers.plugins import Kind, Part, PartOf


def _check_proposes(part: Part) -> None:
    if not callable(getattr(part.cls, "propose", None)):
        raise ValueError(f"expected {part.use!r} to be a strategy, with a method `propose`")


KINDS = {
    "problems": Kind("berry.problems", SOURCES, check=check_source),
    "engine": Kind("berry.engines", ENGINES, check=check_engine),
    "strategy": Kind("berry.strategies", STRATEGIES, check=_check_proposes),
    "verifier": VERIFIER,
    "reward_models": REWARD_MODEL,
}
"""Config section -> what its `use` can name."""
_MEANT_BEFORE = {("prune", "near_duplicates"): None, ("prune", "min_p_prefix"): None}
"""Rule that a stored config of an earlier version lacks -> the value that does what it did then."""
_DEFAULT_STRATEGY = {"use": "adaptive"}

Settings = TypeVar("Settings", bound=BaseModel)


class ConfigError(UserMistake):
    """The user's config is wrong; the message is one line for the user."""


class ClusterConfig(BaseModel):
    """How the work is spread. Nothing here changes what a run produces."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    address: str | None = None
    """A Ray cluster to join; a local Ray is started, and ended, if there is none."""
    workers: int = Field(default=1, ge=1)
    """Rollout workers; each owns an engine."""
    gpus_per_worker: float | None = Field(default=None, ge=0)
    """If not given: 1, times tensor parallelism, for vLLM where the cluster has GPUs, else 0."""
    problems_in_flight: int = Field(default=64, ge=1)
    """Problems that one worker explores at once."""
    verifier_actors: int = Field(default=1, ge=0)
    """Processes that judge responses; 0 judges inside the rollout workers."""
    reward_actors: int = Field(default=1, ge=0)
    """Processes for each reward model; 0 scores inside the rollout workers, as do reward models that
    look into the engine."""
    gpus_per_reward_actor: float | None = Field(default=None, ge=0)
    """If not given: 1 where the cluster has GPUs, else 0."""
    attempts: int = Field(default=3, ge=1)
    """How often a problem is explored anew after its engine died, before it is given up."""
    report_seconds: float = Field(default=5.0, gt=0)
    """Time between two lines of metrics.jsonl."""


class RunConfig(BaseModel):
    """Everything that `berry run` needs to know."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    output: Path
    """The run folder."""
    seed: int = Field(default=0, ge=0)
    problems: Annotated[Part, PartOf(KINDS["problems"])]
    prompt: PromptFormat = PromptFormat()
    engine: Annotated[Part, PartOf(KINDS["engine"])]
    sampling: Sampling = Sampling()
    steps: StepConfig = StepConfig()
    strategy: Annotated[Part, PartOf(KINDS["strategy"])] = Field(
        default_factory=lambda: KINDS["strategy"].part(_DEFAULT_STRATEGY)
    )
    budget: BudgetConfig = BudgetConfig()
    """What the search may spend on each problem."""
    reward_models: tuple[Annotated[Part, PartOf(KINDS["reward_models"])], ...] = ()
    """What scores every step, by which the strategy may go, or every complete response."""
    branch_pruning: BranchPruning = NEVER
    """Which rollouts are ended mid-way, by their steps' scores."""
    verifier: Annotated[Part, PartOf(KINDS["verifier"])]
    sandbox: SandboxConfig = SandboxConfig()
    """How verifiers run untrusted code. Nothing here changes what a run produces."""
    labels: LabelConfig = LabelConfig()
    """How steps are labelled, and what stands in for a gold answer."""
    prune: PruneConfig = PruneConfig()
    problems_per_part: int = Field(default=64, ge=1)
    """Problems that are written, and after a crash kept, together."""
    cluster: ClusterConfig = ClusterConfig()

    @model_validator(mode="after")
    def _check_strategy(self) -> "RunConfig":
        """That there is what the strategy goes by."""
        use, cls = self.strategy.use, self.strategy.cls
        if getattr(cls, "needs_scores", False):
            self._check_scores_steps(f"strategy.use={use}")
        if getattr(cls, "needs_pauses", False):
            self._check_pauses(f"strategy.use={use}")
        if getattr(self.strategy.options, "needs_logprobs", False):
            self._check_logprobs(f"strategy.use={use}")
        return self

    @model_validator(mode="after")
    def _check_template(self) -> "RunConfig":
        """That the prompt does not give the answer away."""
        options = self.problems.options
        golds = options.gold_columns if isinstance(options, RowConfig) else ()
        for name in self.prompt.parsed.columns:
            if name in golds:
                raise ValueError(
                    f"prompt.template: expected other columns than {{{name}}}, which has the answer "
                    f"and would give it away; {{{{{name}}}}} is sent as {{{name}}}"
                )
        return self

    @model_validator(mode="after")
    def _check_branch_pruning(self) -> "RunConfig":
        """That rollouts can be looked at on their way, and by what."""
        if self.branch_pruning.is_on:
            self._check_scores_steps("branch_pruning")
            self._check_pauses("branch_pruning")
        if self.labels.consensus is not None:
            self._check_scores_steps("labels.consensus")
        return self

    def _check_pauses(self, who: str) -> None:
        """Raises ValueError if an engine cannot pause after each step."""
        if not StepSplitter(self.steps).pauses:
            raise ValueError(
                f"{who}: expected `steps.at: newline` or `blank_line`, strings at which an engine can "
                f"pause after a step, got {self.steps.at}"
            )
        if breaks := [stop for stop in self.sampling.stop if "\n" in stop]:
            raise ValueError(
                f"{who}: expected `sampling.stop` without line breaks, since it samples up to one at a "
                f"time, got {breaks[0]!r}"
            )

    def _check_logprobs(self, who: str) -> None:
        """Raises ValueError for an engine that does not tell how probable its tokens were."""
        if not getattr(self.engine.options, "gives_logprobs", True):
            raise ValueError(
                f"{who}: expected an engine that gives log-probabilities, by which it goes, got "
                f"engine.use={self.engine.use}; vllm gives them with engine.logprobs=true"
            )

    def _check_scores_steps(self, who: str) -> None:
        """Raises ValueError without a process reward model."""
        if all(scores_outcomes(part) for part in self.reward_models):
            got = ", ".join(part.use for part in self.reward_models)
            raise ValueError(
                f"{who}: expected a process reward model in `reward_models`, by whose scores of steps "
                f"it goes, got {got or 'none'}; such as reward_models='[{{use: prm, model: FOLDER}}]'"
            )

    @model_validator(mode="after")
    def _check_reward_models(self) -> "RunConfig":
        """That those which look into an engine have that engine."""
        for index, part in enumerate(self.reward_models):
            if getattr(part.cls, "needs_logprobs", False):
                self._check_logprobs(f"reward_models.{index}.use={part.use}")
            wanted = getattr(part.cls, "reads_engine", None)
            if wanted is not None and not issubclass(self.engine.cls, wanted):
                raise ValueError(
                    f"reward_models.{index}.use={part.use}: expected the engine that it looks into "
                    f"({wanted.__name__}), got engine.use={self.engine.use}"
                )
        return self

    def resolved(self) -> dict[str, Any]:
        """What determines the run's data, defaults included, as JSON values."""
        resolved = self.model_dump(mode="json", exclude={"output", "cluster", "sandbox"})
        # So that a run which a bad row has ended can go on without it.
        resolved["problems"].pop("on_error", None)
        return resolved

    def open_source(self) -> CheckedSource:
        """The problem set, ready to be read. Raises ProblemError.

        Rows whose config does not say what kind of target their answers are get the kind that the
        verifier takes.
        """
        part, options = self.problems, self.problems.options
        if isinstance(options, RowConfig) and "target_kind" not in options.model_fields_set:
            kinds = target_kinds(self.verifier.cls) or (options.target_kind,)
            if options.target_kind not in kinds:
                part = replace(part, options=options.model_copy(update={"target_kind": kinds[0]}))
        return open_source(part, self.seed, self.prompt.parsed)

    def build_strategy(self) -> Budgeted:
        """The strategy, within its budget."""
        return Budgeted(
            self.strategy.build(),
            self.budget,
            max_tokens=self.sampling.max_tokens,
            max_steps=self.steps.max_steps,
        )

    def num_reward_actors(self, index: int) -> int:
        """Processes for one of the reward models; 0 where it is to be in the rollout workers."""
        if hasattr(self.reward_models[index].cls, "reads_engine"):
            return 0
        return self.cluster.reward_actors

    def build_reward_model(self, index: int, engine: Engine | None = None) -> RewardModel:
        """One of the reward models; one whose class says what engine it `reads_engine` gets that.

        Raises RewardModelError.
        """
        part = self.reward_models[index]
        try:
            model: RewardModel = part.build(*((engine,) if hasattr(part.cls, "reads_engine") else ()))
        except RewardModelError:
            raise
        except (Exception, SystemExit) as e:
            # Its class may be anybody's.
            why = raised(e, part.cls)
            raise RewardModelError(
                f"reward_models.{index}.use={part.use}: cannot be built: {why}"
            ) from e
        return model

    def build_verifier(self) -> Verifier:
        """The verifier, in processes of its own if its section says so."""
        return build_verifier(self.verifier, self.sandbox)

    def parts(self) -> Iterator[Part]:
        """Every part, those inside others too."""
        sections = (self.problems, self.engine, self.strategy, self.verifier, *self.reward_models)
        for section in sections:
            yield from section.nested()

    def digest(self) -> str:
        """A hash of `resolved()`."""
        content = json.dumps(self.resolved(), sort_keys=True).encode()
        return hashlib.blake2b(content, digest_size=8).hexdigest()


class Rules(BaseModel):
    """The sections that say what is made of finished trees; they can be applied again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    labels: LabelConfig = LabelConfig()
    prune: PruneConfig = PruneConfig()


def load_config(path: Path, overrides: Sequence[str] = ()) -> RunConfig:
    """The config of a YAML file with `key=value` overrides. Raises ConfigError."""
    try:
        text = read_yaml(path.read_text(encoding="utf-8"))
    except OSError as e:
        raise ConfigError(f"{path}: cannot be read ({e.strerror})") from e
    except UnicodeDecodeError as e:
        raise ConfigError(f"{path}: is not YAML: it is not UTF-8, at byte {e.start + 1}") from e
    except NotYaml as e:
        raise ConfigError(f"{path}: is not YAML: {e}") from e
    raw = text.value
    if not isinstance(raw, dict):
        raise ConfigError(f"{path}: expected keys and values, got {shown(raw)}")
    try:
        given = [_parse_override(override) for override in overrides]
        for keys, value in sorted(given, key=lambda one: one[0][-1] != "use"):
            _apply(raw, keys, value, uses_given={k[0] for k, _ in given if k[1:] == ["use"]})
    except ConfigError as e:
        raise ConfigError(f"on the command line: {e}") from e
    origin = Origin(file=str(path), lines=text.lines, given=[tuple(keys) for keys, _ in given])
    return check_config(raw, origin)


def check_config(raw: dict[str, Any], origin: Origin) -> RunConfig:
    """A RunConfig of plain values. Raises ConfigError, which names the origin and the key."""
    try:
        return RunConfig.model_validate(raw)
    except ValidationError as e:
        raise ConfigError(explain(e, RunConfig, raw, origin)) from e


def check_section(kind: Kind, use: str, overrides: Sequence[str]) -> Part:
    """The part `use` with `key=value` options. Raises ConfigError, which names the key."""
    section: dict[str, Any] = {}
    for keys, value in map(_parse_override, overrides):
        _apply(section, keys, value, uses_given=set())
    try:
        return kind.part({**section, "use": use})
    except ValidationError as e:
        wanted, raw = Annotated[Part, PartOf(kind)], {**section, "use": use}
        raise ConfigError(f"{use}: {explain(e, wanted, raw)}") from e
    except ValueError as e:
        raise ConfigError(str(e)) from e


def read_rules(resolved: Mapping[str, Any], overrides: Sequence[str] = ()) -> Rules:
    """The rules of a run, by its resolved config, with `key=value` on top. Raises ConfigError."""
    sections: dict[str, Any] = {name: dict(resolved.get(name, {})) for name in Rules.model_fields}
    for (section, key), meant in _MEANT_BEFORE.items():
        if section in resolved:
            sections[section].setdefault(key, meant)
    for keys, value in map(_parse_override, overrides):
        if keys[0] not in sections or len(keys) == 1:
            raise ConfigError(
                f"{'.'.join(keys)}: expected a key of labels or prune, such as labels.confidence"
            )
        _apply(sections, keys, value, uses_given=set())
    try:
        return Rules.model_validate(sections)
    except ValidationError as e:
        raise ConfigError(explain(e, Rules, sections)) from e


def read_settings(cls: type[Settings], overrides: Sequence[str]) -> Settings:
    """Settings of `key=value`. Raises ConfigError, which names the key."""
    given = {".".join(keys): value for keys, value in map(_parse_override, overrides)}
    try:
        return cls.model_validate(given)
    except ValidationError as e:
        raise ConfigError(explain(e, cls, given)) from e


def _parse_override(override: str) -> tuple[list[str], Any]:
    key, equals, text = override.partition("=")
    keys = key.split(".")
    if not equals or not all(keys):
        raise ConfigError(f"{override}: expected key=value, for example seed=1")
    try:
        return keys, read_yaml(text).value
    except NotYaml as e:
        raise ConfigError(f"{override}: the value is not YAML: {e}") from e


def _apply(raw: dict[str, Any], keys: list[str], value: Any, uses_given: set[str]) -> None:
    """Sets one key in place, by the rules in the module's docstring."""
    kind = KINDS.get(keys[0])
    default = _DEFAULT_STRATEGY if keys[0] == "strategy" else {}
    section = raw.setdefault(keys[0], dict(default)) if len(keys) > 1 else None
    if kind is not None and isinstance(section, dict):
        if keys[1:] == ["use"]:
            _keep_known(section, kind, value)
        elif keys[0] not in uses_given and (other := _only_owner(kind, section, keys[1])):
            _keep_known(section, kind, other)
            section["use"] = other
    target = raw
    for key in keys[:-1]:
        target = target.setdefault(key, {})
        if not isinstance(target, dict):
            raise ConfigError(f"{'.'.join(keys)}: {key} is a value, it has no keys below it")
    target[keys[-1]] = value


def _keep_known(section: dict[str, Any], kind: Kind, use: object) -> None:
    """Drops the options that the part `use` does not have, and a strategy's for any other strategy,
    in which a key of the same name means something else."""
    known = _options(kind, use)
    if kind is KINDS["strategy"] and use != section.get("use"):
        known = set()
    for key in [key for key in section if key != "use" and known is not None and key not in known]:
        del section[key]


def _only_owner(kind: Kind, section: dict[str, Any], key: str) -> str | None:
    """The one other built-in part with the option, if the section's own part lacks it."""
    own = _options(kind, section.get("use"))
    if own is None or key in own:
        return None
    owners = [use for use in kind.builtin if key in (_options(kind, use) or ())]
    return owners[0] if len(owners) == 1 else None


def _options(kind: Kind, use: object) -> set[str] | None:
    """Names of a part's options; None for a part that cannot be found, which is reported later."""
    try:
        return kind.options(str(use))
    except ValueError:
        return None
