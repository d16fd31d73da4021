"""The whole config of a run, composed of the models that each part defines for its section."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    PrivateAttr,
    model_validator,
)

from pipeline.config.checks import check_logprobs, check_pauses, check_scores_steps
from pipeline.config.cluster_config import ClusterConfig
from pipeline.config.parts import DEFAULT_STRATEGY, KINDS
from pipeline.datasets.part import PART_BYTES
from pipeline.datasets.views.rules import ViewOptions, ViewRules
from pipeline.datasets.views.table import VIEWS
from pipeline.datasets.views.trees import TREES
from pipeline.dispatch.own_code import raised
from pipeline.dispatch.scoring import read_reward_model
from pipeline.engines import Engine, PromptFormat, Sampling
from pipeline.engines.shares import choose_engine, share_of
from pipeline.files.storage import FolderError, place
from pipeline.hashing import digest_json
from pipeline.labels.step_labels import LabelConfig
from pipeline.problems import SourceConfig
from pipeline.problems.border import OpenSource, open_source
from pipeline.problems.rows import RowConfig
from pipeline.prune import PruneConfig
from pipeline.rollouts.branch_pruning import NEVER, BranchPruning
from pipeline.rollouts.steps import StepConfig
from pipeline.search.border import read_strategy
from pipeline.search.budget import BudgetConfig, Budgeted
from reward_models import RewardModel
from reward_models.errors import RewardModelError
from sandbox import SandboxConfig
from verifiers import Verifier
from verifiers.catalog import build_verifier
from verifiers.isolation.target_kinds import target_kinds
from verifiers.mistakes import shown
from verifiers.plugins import Part, PartOf


def _read_output(value: object) -> Path:
    """Reads a path or a URL. Raises ValueError."""
    if isinstance(value, Path):
        return value
    if not isinstance(value, str) or not value:
        raise ValueError(f"expected a path or a URL such as s3://bucket/folder, got {shown(value)}")
    try:
        return place(value)
    except FolderError as e:
        raise ValueError(str(e)) from e


def _check_views(views: tuple[str, ...]) -> tuple[str, ...]:
    """Checks the names of views. Raises ValueError."""
    known = [name for name in VIEWS if name != TREES.name]
    for view in views:
        if view not in VIEWS:
            raise ValueError(f"expected some of {', '.join(known)}, got {view}")
    return tuple(name for name in known if name in views)


def _leave_what_decides(problems: dict[str, Any]) -> None:
    """Removes from a section `problems` what does not decide which problems there are."""
    # Excluded, so that a run that a bad row has stopped can resume without it.
    problems.pop("on_error", None)
    # Excluded, because a limit may be raised; run.json has it separately.
    problems.pop("limit", None)
    if not problems["variants"]["numbers"]:
        # As before there were variants.
        del problems["variants"]


class LicenseConfig(BaseModel):
    """Licences for the dataset card; they may change when a run resumes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: str | None = None
    """Licence of the dataset, by its name on the Hugging Face Hub, such as `apache-2.0`."""
    problems: str | None = None
    """Licence of the problem set."""
    model: str | None = None
    """Licence of the model, which may say what its output can be used for."""


class DatasetConfig(BaseModel):
    """How the data is written."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    problems_per_part: int = Field(default=64, ge=1)
    """Problems written together in one part; after a crash, the problems of complete parts are kept."""
    views: Annotated[tuple[str, ...], AfterValidator(_check_views)] = ("traces",)
    """Views to write besides `trees`; docs/views.md describes them. The others are derived when they
    are read, or by `berry export`; most repeat the tokens of every response."""
    part_bytes: int = Field(default=PART_BYTES, ge=1)
    """Size, in bytes, of the files of `trees` that the end of a run makes by merging smaller ones. It
    may change when a run resumes."""

    token_logprobs: bool = False
    """Store the log-probability of every sampled token, for importance ratios, in `trees`, `packed` and
    `verifiers`: about four more bytes for each. Without it, `trees` has their sum for each step."""
    licenses: LicenseConfig = LicenseConfig()
    """Licences for the dataset card."""

    @property
    def stored_views(self) -> tuple[str, ...]:
        """All views that a part has, `trees` first."""
        return (TREES.name, *self.views)


class RunConfig(BaseModel):
    """The whole config of `berry run`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    output: Annotated[Path, PlainValidator(_read_output)]
    """The run folder: a path, or the URL of a folder in a store, such as `s3://bucket/folder`."""
    seed: int = Field(default=0, ge=0)
    """The seed of every random choice."""
    problems: Annotated[Part, PartOf(KINDS["problems"])]
    prompt: PromptFormat = PromptFormat()
    engine: Annotated[Part, PartOf(KINDS["engine"])]
    engines: tuple[Annotated[Part, PartOf(KINDS["engines"])], ...] = ()
    """Several engines instead of `engine`, each with a `share` of the problems."""
    sampling: Sampling = Sampling()
    steps: StepConfig = StepConfig()
    strategy: Annotated[Part, PartOf(KINDS["strategy"])] = Field(
        default_factory=lambda: KINDS["strategy"].part(DEFAULT_STRATEGY)
    )
    budget: BudgetConfig = BudgetConfig()
    """Limits for the search on each problem."""
    reward_models: tuple[Annotated[Part, PartOf(KINDS["reward_models"])], ...] = ()
    """Models that score every step, which can guide the strategy, or every complete response."""
    branch_pruning: BranchPruning = NEVER
    """Rules for ending rollouts midway by their step scores."""
    verifier: Annotated[Part, PartOf(KINDS["verifier"])]
    sandbox: SandboxConfig = SandboxConfig()
    """How verifiers run untrusted code. A resumed run needs the same `preload` and `readable`, since
    they decide what programs find; the rest may change."""
    labels: LabelConfig = LabelConfig()
    """How steps are labelled, and what replaces a missing gold answer."""
    prune: PruneConfig = PruneConfig()
    dataset: DatasetConfig = DatasetConfig()
    """How the data is written."""
    views: ViewOptions = ViewOptions()
    """Options of the views, a section for each view that has any."""
    cluster: ClusterConfig = ClusterConfig()
    _notes: tuple[str, ...] = PrivateAttr(default=())

    @property
    def notes(self) -> tuple[str, ...]:
        """Lines for the user about how the config was read."""
        return self._notes

    def add_notes(self, notes: Iterable[str]) -> None:
        """Adds lines for the user."""
        self._notes = (*self._notes, *notes)

    @model_validator(mode="before")
    @classmethod
    def _read_engines(cls, raw: object) -> object:
        """With `engines`, `engine` is the first of them. Raises ValueError for both."""
        if not isinstance(raw, Mapping) or not isinstance(raw.get("engines"), list | tuple):
            return raw
        first = next(iter(raw["engines"]), None)
        if not isinstance(first, Mapping):
            return raw
        engine = {key: value for key, value in first.items() if key != "share"}
        if raw.get("engine") not in (None, engine):
            raise ValueError("expected either `engine` or `engines`, got both; keep one of them")
        return {**raw, "engine": engine}

    @property
    def view_rules(self) -> ViewRules:
        """What decides the rows of the views, besides the trees."""
        return ViewRules(labels=self.labels, views=self.views)

    @property
    def all_engines(self) -> tuple[Part, ...]:
        """Every engine of the run: `engines`, or `engine` alone."""
        return self.engines or (self.engine,)

    def with_engine(self, index: int) -> "RunConfig":
        """This config with one of `all_engines` as `engine`."""
        return self.model_copy(update={"engine": self.all_engines[index]})

    def engine_index(self, problem_id: str) -> int:
        """The index in `all_engines` of the engine that explores a problem."""
        if not self.engines:
            return 0
        return choose_engine(self.seed, problem_id, [share_of(part) for part in self.engines])

    @property
    def first_workers(self) -> int:
        """Workers with which a run starts, at least one for each engine."""
        return max(self.cluster.first_workers, len(self.engines))

    @model_validator(mode="after")
    def _check_strategy(self) -> "RunConfig":
        """Checks that the config has everything the strategy needs."""
        who, traits = f"strategy.use={self.strategy.use}", read_strategy(self.strategy)
        if traits.needs_scores:
            check_scores_steps(self, who)
        if traits.needs_pauses:
            check_pauses(self, who)
        if traits.needs_logprobs:
            check_logprobs(self, who)
        if self.dataset.token_logprobs:
            check_logprobs(self, "dataset.token_logprobs")
        return self

    @model_validator(mode="after")
    def _check_template(self) -> "RunConfig":
        """Checks that the prompt does not reveal the answer."""
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
        """Checks that rollouts can pause and that a model scores their steps."""
        if self.branch_pruning.is_on:
            check_scores_steps(self, "branch_pruning")
            check_pauses(self, "branch_pruning")
        if self.labels.consensus is not None:
            check_scores_steps(self, "labels.consensus")
        return self

    @model_validator(mode="after")
    def _check_reward_models(self) -> "RunConfig":
        """Checks that each reward model that reads the engine has the engine it needs."""
        for index, part in enumerate(self.reward_models):
            traits = read_reward_model(part)
            if traits.needs_logprobs:
                check_logprobs(self, f"reward_models.{index}.use={part.use}")
            wanted = traits.reads_engine
            for engine in self.all_engines:
                if wanted is not None and not issubclass(engine.cls, wanted):
                    raise ValueError(
                        f"reward_models.{index}.use={part.use}: expected the engine that it reads "
                        f"({wanted.__name__}), got engine.use={engine.use}"
                    )
        return self

    def resolved(self) -> dict[str, Any]:
        """The values that determine the run's data, including defaults, as JSON values."""
        # Files of another size have the same rows. run.json has the sandbox's settings separately,
        # because most may change.
        not_data: dict[str, Any] = {
            "output": True,
            "cluster": True,
            "sandbox": True,
            "dataset": {"part_bytes", "licenses"},
        }
        resolved = self.model_dump(mode="json", exclude=not_data)
        _leave_what_decides(resolved["problems"])
        resolved["engines"] = [part.dump() | {"share": share_of(part)} for part in self.engines]
        if not self.engines:
            # As before there were several.
            del resolved["engines"]
        # As before views had options: a section that is at its defaults changes no digest.
        default = ViewOptions().model_dump(mode="json")
        views = {name: one for name, one in resolved.pop("views").items() if one != default[name]}
        if views:
            resolved["views"] = views
        if not self.dataset.token_logprobs:
            # As before they could be stored.
            del resolved["dataset"]["token_logprobs"]
        return resolved | {"prune": self.prune.dump()}

    @property
    def problems_limit(self) -> int | None:
        """Maximum number of problems; None for all."""
        options = self.problems.options
        assert isinstance(options, SourceConfig)
        return options.limit

    @property
    def problems_part(self) -> Part:
        """The section `problems`, with the kind of target that the verifier takes if it names none."""
        part, options = self.problems, self.problems.options
        if isinstance(options, RowConfig) and "target_kind" not in options.model_fields_set:
            kinds = target_kinds(self.verifier.cls) or (options.target_kind,)
            if options.target_kind not in kinds:
                return replace(part, options=options.model_copy(update={"target_kind": kinds[0]}))
        return part

    def open_source(self) -> OpenSource:
        """The problem set, ready to read. Raises ProblemError."""
        return open_source(self.problems_part, self.seed, self.prompt.parsed, self.sandbox)

    def build_strategy(self) -> Budgeted:
        """The strategy with its budget."""
        return Budgeted(
            self.strategy.build(),
            self.budget,
            max_tokens=self.sampling.max_tokens,
            max_steps=self.steps.max_steps,
        )

    def num_reward_actors(self, index: int) -> int:
        """Processes for one reward model; 0 if it runs inside the rollout workers."""
        if read_reward_model(self.reward_models[index]).reads_engine is not None:
            return 0
        return self.cluster.reward_actors

    def build_reward_model(self, index: int, engine: Engine | None = None) -> RewardModel:
        """Builds one reward model. A model whose class sets `reads_engine` gets the engine.

        Raises RewardModelError.
        """
        part = self.reward_models[index]
        arguments = () if read_reward_model(part).reads_engine is None else (engine,)
        try:
            model: RewardModel = part.build(*arguments)
        except RewardModelError:
            raise
        except (Exception, SystemExit) as e:
            # The class may be third-party code.
            why = raised(e, part.cls)
            raise RewardModelError(
                f"reward_models.{index}.use={part.use}: cannot be built: {why}"
            ) from e
        return model

    def with_reward_model(self, index: int, folder: str) -> "RunConfig":
        """This config with another trained model in place of one. Raises RewardModelError."""
        part = self.reward_models[index]
        if "model" not in type(part.options).model_fields:
            raise RewardModelError(
                f"reward_models.{index}.use={part.use}: expected a part with an option `model`"
            )
        options = part.options.model_copy(update={"model": folder})
        parts = list(self.reward_models)
        parts[index] = replace(part, options=options)
        return self.model_copy(update={"reward_models": tuple(parts)})

    def build_verifier(self) -> Verifier:
        """The verifier, in separate processes if its section says so."""
        return build_verifier(self.verifier, self.sandbox)

    def parts(self) -> Iterator[Part]:
        """Every part, including parts inside other parts."""
        sections = (self.problems, *self.all_engines, self.strategy, self.verifier, *self.reward_models)
        for section in sections:
            yield from section.nested()

    def digest(self) -> str:
        """A hash of `resolved()`."""
        return digest_json(self.resolved())
