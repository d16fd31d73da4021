"""`search`: the run of a round, by the bundle that the round began with."""

import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict

from pipeline.cluster.weights import WeightsDesk, request_weights
from pipeline.config.overrides import change
from pipeline.datasets.folder import RunFolder
from pipeline.errors import RunFailure, UserMistake
from pipeline.files.storage import exists
from pipeline.loop.commands import wait_for_writer
from pipeline.loop.difficulty import taught_out
from pipeline.loop.stages.kinds import STAGES
from pipeline.loop.work import Done, Work
from pipeline.problems import SourceConfig

_POLL_SECONDS = 2.0


class Search:
    """Searches with `berry run`, into the round's run folder."""

    class Config(BaseModel):
        """Has no options: the section `run` of the loop has them."""

        model_config = ConfigDict(extra="forbid", frozen=True)

    def __init__(self, config: Config) -> None:
        self.config = config

    def check(self, work: Work) -> None:
        """Raises UserMistake for a second search: a round has one run folder."""
        found = [work.config.name_of(one) for one in work.config.stages if one.use == "search"]
        if found[1:]:
            raise UserMistake(f"stages: expected one search in a round, got {', '.join(found)}")

    def begin(self, work: Work) -> None:
        """Begins the run in the background. Raises BerryError."""
        path = _config_file(work)
        wait_for_writer(work.folder.run_folder(work.round), work.tell)
        work.commands.begin(["run", str(path)], work.folder.log(work.round, work.name))

    def run(self, work: Work) -> Done:
        """Begins the run, or goes on with it, until it is complete. Raises BerryError."""
        output, log = work.folder.run_folder(work.round), work.folder.log(work.round, work.name)
        if not work.commands.background.has(log):
            self.begin(work)
        took_over = _swap(work, output, log)
        # 1: the run is complete, and some of its problems failed; they are counted.
        work.commands.berry(["run"], log, fine=(0, 1))
        counts = require_complete(output, log).counts
        verdicts = counts.verdicts
        judged = verdicts["pass"] + verdicts["fail"]
        return Done(
            figures={
                "problems": counts.problems,
                "problems_failed": counts.problems_failed,
                "problems_solved": counts.problems_solved,
                "rollouts": counts.rollouts,
                "tokens": counts.tokens,
                "pass_rate": verdicts["pass"] / judged if judged else None,
                "survivors": counts.kept,
                "took_over": took_over,
            }
        )


def require_complete(output: Path, log: Path) -> RunFolder:
    """The folder of a run. Raises RunFailure if it broke off, which its status may hide: Python ends
    with that of a partly failed run if berry cannot be imported."""
    if not exists(output / "run.json") or (folder := RunFolder.read(output)).complete is None:
        raise RunFailure(f"{output}: the run broke off; repeat the command to go on (log: {log})")
    return folder


def check_searched(work: Work) -> None:
    """Raises UserMistake for a stage that reads the round's run, if no stage before it can have made
    one."""
    names = [work.config.name_of(one) for one in work.config.stages]
    before = [one.use for one in work.config.stages[: names.index(work.name)]]
    if "search" not in before and set(before) <= set(STAGES):
        raise UserMistake(f"stages: expected a search before {work.name}, whose run it reads")


def _config_file(work: Work) -> Path:
    """The config of the round's run; one that has begun keeps its own."""
    path = work.folder.config_file(f"round-{work.round}")
    if exists(path) and exists(work.folder.run_folder(work.round)):
        return path
    return work.folder.write_config(f"round-{work.round}", config_of(work))


def _swap(work: Work, output: Path, log: Path) -> str | None:
    """Has the workers of a run that began with an earlier generator take over the promoted one.

    Returns the generator that they took over; None if none has to be, or if the run ended before.
    """
    wanted = work.record.began_with.generator
    begun = yaml.safe_load(_config_file(work).read_text(encoding="utf-8"))["engine"].get("model")
    while wanted != begun and work.commands.background.is_running(log):
        current = WeightsDesk(output).current()
        if current is not None and current.engine == wanted:
            return wanted
        with suppress(UserMistake, RunFailure):
            # Without a process that writes yet, or with none ready, it is asked again.
            answer = request_weights(output, engine=wanted)
            if answer.is_mistake:
                work.tell(f"warning: {output} keeps its generator: {answer.refused[0]}")
                return None
        time.sleep(_POLL_SECONDS)
    return None


def config_of(work: Work) -> dict[str, Any]:
    """The config of the round's run. Raises FolderError and StorageError."""
    bundle, asked = work.record.began_with, work.config
    run = work.run_of(work.folder.run_folder(work.round), bundle.generator)
    run["problems"] = problems_of(work, "train") | {"begin": 0, "count": asked.problems_per_round}
    if asked.problems_per_round is not None:
        run["problems"]["begin"] = (work.round - 1) * asked.problems_per_round
    run["problems"]["more"] = _more(work)
    earlier = [work.folder.run_folder(one.round) for one in work.before if one.stage(work.name)]
    if earlier and asked.difficulty.keep < 1:
        less = json.dumps(taught_out(earlier, asked.difficulty))
        path = work.folder.write_file(f"round-{work.round}-less.json", less)
        run["problems"] |= {"less": str(path.absolute()), "less_keep": asked.difficulty.keep}
    scorers = bundle.scorers.values()
    if scorers:
        run["reward_models"] = [*run.get("reward_models", ()), *(one.section for one in scorers)]
    for scorer in scorers:
        change(run, scorer.run)
    return run


def _more(work: Work) -> list[str]:
    """The files of new problems of the last round that has made any."""
    for record in reversed(work.before):
        if made := [one.problems for one in record.stages if one.problems is not None]:
            return made
    return []


def problems_of(work: Work, side: str) -> dict[str, Any]:
    """The section `problems` for one side of the loop's problems."""
    checked, evaluation = work.run_config, work.config.evaluation
    part = checked.problems_part
    is_varied = isinstance(part.options, SourceConfig) and part.options.variants.numbers > 0
    return {
        "use": "pipeline.loop.problems:RoundProblems",
        "on_error": part.options.model_dump()["on_error"],
        "source": part.dump(),
        "template": checked.prompt.template,
        "source_seed": work.config.run.get("seed", checked.seed),
        "side": side,
        "held_out": 0.0 if evaluation.problems is not None else evaluation.held_out,
        "seed": work.config.seed,
        **({"sandbox": checked.sandbox.model_dump(mode="json")} if is_varied else {}),
    }
