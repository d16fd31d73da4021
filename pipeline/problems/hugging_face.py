"""`hugging_face`: a dataset of the Hub or in a local folder, streamed."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pipeline.extras import missing
from pipeline.files.ranges import EVERY_ROW, Ranges, pick
from pipeline.problems import BadRow, ProblemError
from pipeline.problems.rows import Place, RowConfig, RowSource, to_problem
from pipeline.records import Problem


class HuggingFaceSource(RowSource):
    """Streams one split of a dataset with `datasets.load_dataset`."""

    class Config(RowConfig):
        """The dataset, in addition to the field map."""

        dataset: str
        """Name on the Hub, such as `openai/gsm8k`, or a folder."""
        name: str | None = None
        """Configuration of the dataset, if it has several, such as `main`."""
        split: str = "train"
        """The split to read."""
        revision: str | None = None
        """Branch, tag or commit of the dataset; default: the newest state."""

    def __init__(self, config: Config, seed: int = 0) -> None:
        super().__init__(config)
        self.config = config

    def size(self) -> int | None:
        """The limit, if there is one: the size of a streamed dataset is unknown."""
        return self.config.limit

    def rows(self) -> Iterator[Problem | BadRow]:
        """A problem for each row. Raises ProblemError for a dataset that cannot be read."""
        return self.rows_in(EVERY_ROW)

    def fingerprint(self) -> str | None:
        """A hash of the dataset's files, or its commit. Raises ProblemError like `rows`."""
        config = self.config
        with self._library() as datasets:
            builder = datasets.load_dataset_builder(
                config.dataset, config.name, revision=config.revision
            )
            found: str | None = builder.hash
        return found

    def rows_in(self, ranges: Ranges) -> Iterator[Problem | BadRow]:
        """The rows with these numbers; other rows are streamed but not converted."""
        config = self.config
        for number, row in pick(enumerate(self._stream(), start=1), ranges):
            where = f"{config.dataset}, {config.split} row {number}"
            place = Place(where=where, source=config.dataset, split=config.split)
            yield to_problem(row, config, self.columns, place)

    def _stream(self) -> Iterator[object]:
        config = self.config
        with self._library() as datasets:
            yield from datasets.load_dataset(
                config.dataset,
                config.name,
                split=config.split,
                revision=config.revision,
                streaming=True,
            )

    @contextmanager
    def _library(self) -> Iterator[Any]:
        """The library; its errors become ProblemErrors."""
        if why := missing("datasets", "problems.use=hugging_face"):
            raise ProblemError(why)
        import datasets

        try:
            yield datasets
        except Exception as e:
            # Errors of the Hub, the network or a file: none of them leaves more rows to read.
            reason = " ".join(str(e).split())[:300]
            raise ProblemError(f"problems.dataset={self.config.dataset}: cannot load ({reason})") from e
