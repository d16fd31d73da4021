"""`hugging_face`: a dataset of the Hub, or a local folder of one, streamed."""

from collections.abc import Iterator

from pipeline.problems import BadRow, ProblemError
from pipeline.problems.rows import Place, RowConfig, RowSource, to_problem
from pipeline.records import Problem


class HuggingFaceSource(RowSource):
    """One split of a dataset, by `datasets.load_dataset`; rows arrive as they are needed."""

    class Config(RowConfig):
        """Which dataset, beside the field map."""

        dataset: str
        """A name on the Hub such as `openai/gsm8k`, or a folder."""
        name: str | None = None
        """The dataset's configuration, for those that have several (`main`)."""
        split: str = "train"
        revision: str | None = None

    def __init__(self, config: Config, seed: int = 0) -> None:
        super().__init__(config)
        self.config = config

    def size(self) -> int | None:
        """The limit, if there is one: a streamed dataset does not tell its size."""
        return self.config.limit

    def rows(self) -> Iterator[Problem | BadRow]:
        """A problem for each row. Raises ProblemError for a dataset that cannot be read."""
        config = self.config
        for number, row in enumerate(self._stream(), start=1):
            where = f"{config.dataset}, {config.split} row {number}"
            place = Place(where=where, source=config.dataset, split=config.split)
            yield to_problem(row, config, self.columns, place)

    def _stream(self) -> Iterator[object]:
        import datasets

        config = self.config
        try:
            yield from datasets.load_dataset(
                config.dataset,
                config.name,
                split=config.split,
                revision=config.revision,
                streaming=True,
            )
        except Exception as e:
            # The Hub, the network, a damaged file: all mean that there is no dataset, or no more.
            reason = " ".join(str(e).split())[:300]
            raise ProblemError(f"problems.dataset={config.dataset}: cannot load ({reason})") from e
