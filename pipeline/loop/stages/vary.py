"""`vary`: new problems for the next round, made from this round's verified solutions."""

import json
from collections.abc import Iterator

from pipeline.datasets.reader import RunReader
from pipeline.derive.varying.settings import VarySettings
from pipeline.files.storage import place
from pipeline.loop.stages.search import check_searched
from pipeline.loop.work import Done, Work


class Vary:
    """Makes variants with `berry vary`; none is a question of the evaluations."""

    class Config(VarySettings):
        """The options of `berry vary`."""

    def __init__(self, config: Config) -> None:
        self.config = config

    def check(self, work: Work) -> None:
        """Raises UserMistake without a run to make them from."""
        check_searched(work)

    def run(self, work: Work) -> Done:
        """Makes them, or goes on. Raises BerryError."""
        given = self.config.model_dump(mode="json", exclude_unset=True)
        model = {"engine.model": work.record.began_with.generator}
        config = (model if model["engine.model"] else {}) | self.config.config
        options = {"seed": work.seed, **given, "config": config}
        output = work.folder.evaluation_folder(work.round, work.name)
        evaluated = "".join(f"{json.dumps({'prompt': one})}\n" for one in _evaluated(work))
        arguments = ["vary", str(work.folder.run_folder(work.round)), "--output", str(output)]
        if evaluated:
            against = work.folder.write_file(f"{work.name}-against.jsonl", evaluated)
            arguments += ["--against", str(against)]
        arguments += [f"{key}={json.dumps(value)}" for key, value in options.items()]
        work.commands.berry(arguments, work.folder.log(work.round, work.name))
        report = json.loads((output / "report.json").read_text(encoding="utf-8"))
        kept = sum(report["kept"].values())
        figures = {"candidates": sum(report["candidates"].values()), "kept": kept}
        return Done(figures=figures, problems=output / "problems.jsonl" if kept else None)


def _evaluated(work: Work) -> Iterator[str]:
    """The texts of the problems that the base was evaluated on."""
    for run in work.before[0].candidate.evaluations.values():
        for row in RunReader.open(place(run)).rows("trees", ["problem"]):
            yield row["problem"]
