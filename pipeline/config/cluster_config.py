"""The section `cluster` of a run's config."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from verifiers.mistakes import shown

_FIRST_PLACES = 16
"""Problems in flight at the start of `problems_in_flight: auto`."""


def _check_limit(value: object) -> object:
    """Checks for a number of problems, a fraction of them, or None. Raises ValueError."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if value is None or (isinstance(value, int) and is_number and value >= 0):
        return value
    if isinstance(value, float) and 0 <= value <= 1:
        return value
    raise ValueError(
        "expected a number of problems, such as 10, a fraction of them, such as 0.5, or null, got "
        f"{shown(value)}"
    )


class ClusterConfig(BaseModel):
    """How work is distributed. Nothing here changes a run's data."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    address: str | None = None
    """Address of a Ray cluster to join; default: the one that RAY_ADDRESS names or that this Ray job is
    part of. Without any, the run starts and stops a local Ray."""
    workers: Annotated[int, Field(ge=1)] | Literal["auto"] = 1
    """Rollout workers; each owns an engine. A run starts with those that the cluster has room for and
    starts the others when it has; `auto` uses all the room there is."""
    gpus_per_worker: float | None = Field(default=None, ge=0)
    """GPUs for each worker; default: vLLM's tensor parallelism, if the cluster has GPUs, else 0."""
    problems_in_flight: Annotated[int, Field(ge=1)] | Literal["auto"] = 64
    """Problems that one worker explores at the same time; `auto` adjusts the number to the engine: more
    while its KV cache has room, fewer when it preempts sequences."""
    verifier_actors: Annotated[int, Field(ge=0)] | Literal["auto"] = 1
    """Processes that judge responses; 0 judges inside the rollout workers. `auto` starts with one, and
    starts another while more than 256 responses for each wait and the cluster has room."""
    reward_actors: int = Field(default=1, ge=0)
    """Processes for each reward model; 0 scores inside the rollout workers. Reward models that read
    the engine always run there."""
    gpus_per_reward_actor: float | None = Field(default=None, ge=0)
    """GPUs for each reward actor; default: 1 if the cluster has GPUs, else 0."""
    attempts: int = Field(default=3, ge=1)
    """Attempts to explore a problem whose engine dies before the problem counts as failed."""
    max_failed_problems: Annotated[int | float | None, BeforeValidator(_check_limit)] = 0.5
    """Failed problems that a run tolerates before it ends: a whole number is a count, a number with a
    decimal point a fraction of the problems finished, once there are 20, and null means no limit.
    Problems that earlier processes of a resumed run finished do not count."""
    wait_seconds: float = Field(default=1800.0, gt=0)
    """Seconds that a worker may take to start, and that a run without any worker waits for room in the
    cluster before it ends."""
    silence_seconds: float = Field(default=60.0, gt=0)
    """Seconds without an answer after which a worker, verifier or reward actor counts as lost, or ten
    times its longest answer so far, if that is more."""
    stall_seconds: float = Field(default=600.0, gt=0)
    """Seconds without a new token or finished problem after which a worker counts as lost, or ten times
    its longest such time so far, if that is more."""
    checkpoint_seconds: float = Field(default=60.0, gt=0)
    """Seconds between two checkpoints of a worker's unfinished shards: a lost worker costs the work
    since its last one."""
    buffer_bytes: int = Field(default=512 * 2**20, ge=1)
    """Bytes of finished problems in a worker's memory that cause a checkpoint before its time."""
    drain_seconds: float = Field(default=20.0, ge=0)
    """Seconds that an interrupted run takes at most to store the work under way."""
    half_grown: Literal["finish", "go_on", "restart"] = "go_on"
    """What `berry weights` does with problems under way: `finish` them with the old weights first,
    `go_on` with the new ones, or `restart` them."""
    report_seconds: float = Field(default=5.0, gt=0)
    """Seconds between two lines of metrics.jsonl."""

    @property
    def first_workers(self) -> int:
        """Workers with which a run starts."""
        return 1 if self.workers == "auto" else self.workers

    @property
    def first_verifiers(self) -> int:
        """Verifiers with which a run starts."""
        return 1 if self.verifier_actors == "auto" else self.verifier_actors

    @property
    def first_places(self) -> int:
        """Problems that a worker explores at the same time at its start."""
        return _FIRST_PLACES if self.problems_in_flight == "auto" else self.problems_in_flight
