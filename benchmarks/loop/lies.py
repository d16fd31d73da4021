"""What a lying verifier costs, and what wins it back: one round, other survivors of the same run."""

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.loop.liar import LyingMath
from benchmarks.loop.setting import Setting, Survivors, berry, count_survivors, train_on, write_yaml
from pipeline.datasets.reader import RunReader
from reward_models.records import Steps
from reward_models.serving.model import Orm, ServingConfig

NUM_ROLLOUTS = 8
_ORM = ("require_chat_template=false", "learning_rate=5e-4", "batch_size=32", "max_steps=400")
_LEAST_SCORE = 0.5
_LEAST_SURE = 0.85
_COLUMNS = ["problem_id", "problem", "meta", "prompt_token_ids", "response", "response_token_ids"]
"""What a training reads, and the truth."""

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lied:
    """A run whose verifier flips a share of its verdicts."""

    setting: Setting
    flipped: float

    @property
    def run(self) -> Path:
        """The run folder."""
        return self.setting.folder / f"flipped-{self.flipped}"

    def make(self) -> None:
        """Samples whole rollouts of all training problems with the base, or goes on doing so."""
        config = self.setting.run_config(
            output=str(self.run),
            seed=self.setting.seed,
            strategy={"use": "best_of_n", "rollouts": NUM_ROLLOUTS},
            reward_models=[{"use": "confidence"}],
            verifier=self._liar(0),
        )
        berry("run", str(write_yaml(self._beside(".yaml"), config)), log=self._beside(".log"))

    def accepted(self) -> list[Row]:
        """The responses that the liar passed."""
        return [row for row in self._judged() if row["label"]]

    def of_majority(self) -> list[Row]:
        """Those of them with the answer that most responses to the problem give, at least two."""
        votes: dict[str, Counter[str]] = defaultdict(Counter)
        for row in self._judged():
            votes[row["problem_id"]][row["extracted"]] += 1
        most = {problem: answers.most_common(1)[0] for problem, answers in votes.items()}
        return [
            row
            for row in self.accepted()
            if (answer := most[row["problem_id"]])[0] == row["extracted"] and answer[1] > 1
        ]

    def surest(self) -> list[Row]:
        """Of each problem, the one whose least sure step the solver was surest of, if that is sure."""
        rules = ("score_by=steps", "max_per_problem=1", f"min_score={_LEAST_SURE}")
        folder = self._beside("-surest")
        if not folder.exists():
            berry(
                "export", str(self.run), "--as", "traces", "--output", str(folder),
                *(f"prune.{rule}" for rule in rules),
                log=self._beside(".log"),
            )  # fmt: skip
        files = sorted((folder / "data" / "traces").glob("*.parquet"))
        return [row for file in files for row in pq.read_table(file).to_pylist()]

    def by_reward_model(self) -> list[Row]:
        """Of each problem, the one that an ORM scores best, from 0.5 on; it learnt from the lies."""
        model = self._beside("-orm")
        if not (model / "config.json").is_file():
            berry(
                "train", "orm", "--data", str(self.run), "--base", str(self.setting.base),
                "--output", str(model), *_ORM, f"seed={self.setting.seed}",
                log=self._beside(".log"),
            )  # fmt: skip
        rows = self.accepted()
        best: dict[str, tuple[float, Row]] = {}
        for row, score in zip(rows, asyncio.run(_scores(model, rows)), strict=True):
            if score >= max(_LEAST_SCORE, best.get(row["problem_id"], (0.0,))[0]):
                best[row["problem_id"]] = score, row
        return [row for _, row in best.values()]

    def confirmed(self) -> list[Row]:
        """Those that a second liar, independent of the first, passes too (`berry verify --with`)."""
        return self._confirmed(self.accepted())

    def surest_and_confirmed(self) -> list[Row]:
        """The surest of each problem, if the second liar passes it too."""
        return self._confirmed(self.surest())

    def _confirmed(self, rows: Iterable[Row]) -> list[Row]:
        differing = self._beside("-second.jsonl")
        if not differing.exists():
            second = write_yaml(self._beside("-second.yaml"), {"verifier": self._liar(1)})
            berry(
                "verify", str(self.run), "--with", str(second), "--output", str(differing),
                log=self._beside(".log"),
            )  # fmt: skip
        found = [json.loads(line) for line in differing.read_text().splitlines()]
        doubted = {(row["problem_id"], row["leaf"]) for row in found}
        return [row for row in rows if (row["problem_id"], row["leaf"]) not in doubted]

    def _judged(self) -> list[Row]:
        return list(RunReader.open(self.run).rows("outcomes"))

    def _liar(self, seed: int) -> dict[str, Any]:
        liar = f"{LyingMath.__module__}:{LyingMath.__qualname__}"
        return {"use": liar, "flipped": self.flipped, "liar": seed}

    def _beside(self, ending: str) -> Path:
        return self.run.with_name(self.run.name + ending)


DEFENCES: Mapping[str, Callable[[Lied], Sequence[Row]]] = {
    "none": Lied.accepted,
    "majority": Lied.of_majority,
    "outcome reward model": Lied.by_reward_model,
    "second verifier": Lied.confirmed,
    "step scores": Lied.surest,
    "step scores, second verifier": Lied.surest_and_confirmed,
}
"""What chooses the survivors, from those that the liar passed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taught:
    """What a choice of survivors teaches."""

    kept: Survivors
    pass_rate: float
    """pass@1 after training on them."""


def taught(lied: Lied, defence: str) -> Taught:
    """Trains the base on what a defence leaves."""
    name = f"{lied.run.name}-{defence.replace(', ', '-').replace(' ', '-')}"
    folder = lied.setting.folder / name
    rows = DEFENCES[defence](lied)
    (data := folder / "data" / "traces").mkdir(parents=True, exist_ok=True)
    kept = [{column: row[column] for column in _COLUMNS} for row in rows]
    pq.write_table(pa.Table.from_pylist(kept), data / "part-00000.parquet")
    model = train_on(folder.with_name(f"{name}-model"), folder, lied.setting.base, lied.setting.seed)
    return Taught(kept=count_survivors(rows), pass_rate=lied.setting.pass_rate(model))


async def _scores(model: Path, rows: Sequence[Row]) -> list[float]:
    """An ORM's score of each response."""
    orm = Orm(ServingConfig(model=str(model), backend="transformers"))
    await orm.start()
    asked = [
        Steps(
            prompt=row["problem"],
            prompt_token_ids=tuple(row["prompt_token_ids"]),
            texts=(row["response"],),
            token_ids=(tuple(row["response_token_ids"]),),
        )
        for row in rows
    ]
    try:
        found = [score.values[-1] for score in await orm.score(asked)]
        if None in found:
            raise RuntimeError(f"expected a score of every response, got none of {found.count(None)}")
        return [value for value in found if value is not None]
    finally:
        await orm.close()
