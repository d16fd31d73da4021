"""New weights for a run that is running: `berry weights` asks, the run's driver answers.

A request is a file in `OUT/weights`, and so is the answer, so that any shell that sees the run folder
can ask. A bundle holds the weights of the generator, of reward models, or of both, and gets a version.
The workers take it over one after the other, so that all others go on sampling. Its entry in
`current.json` is written last: workers that start later, and the resumed run, use that bundle.
"""

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pipeline.errors import RunFailure, UserMistake, named
from pipeline.files.locks import has_writer
from pipeline.files.storage import exists, files_in, make_folder, publish, read_bytes

_POLL_SECONDS = 1.0
_CURRENT = "current.json"
_NAME = re.compile(r"(\d+)\.(request|answer)\.json")
"""Not the hidden name that a file has while it is written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """Weights that are taken over together."""

    version: str
    engine: str | None = None
    """Folder or Hub name of the generator's weights; None keeps them."""
    reward_models: Mapping[int, str] = field(default_factory=dict)
    """Index in the config's `reward_models` -> folder."""

    def to_json(self) -> dict[str, Any]:
        """Its JSON form."""
        return asdict(self) | {"reward_models": {str(k): v for k, v in self.reward_models.items()}}

    @classmethod
    def of_json(cls, content: Mapping[str, Any]) -> "Bundle":
        """The bundle of a JSON form."""
        models = {int(index): str(model) for index, model in content["reward_models"].items()}
        return cls(version=content["version"], engine=content["engine"], reward_models=models)

    def over(self, before: "Bundle | None") -> "Bundle":
        """This bundle, with what it keeps taken from an earlier one."""
        if before is None:
            return self
        return Bundle(
            version=self.version,
            engine=self.engine or before.engine,
            reward_models={**before.reward_models, **self.reward_models},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of a request."""

    version: str
    changed: tuple[str, ...] = ()
    """One line for each worker and reward model that has the new weights."""
    refused: tuple[str, ...] = ()
    """One line for each that keeps the old ones, with the reason."""
    is_mistake: bool = False
    """Whether the weights do not fit, so that none was changed."""


def request_weights(
    output: Path,
    *,
    engine: str | None = None,
    reward_models: Mapping[int, str] | None = None,
    on_wait: Callable[[float], None] = lambda seconds: None,
) -> Answer:
    """Asks a running run to take over new weights; returns when all its workers have answered.

    Blocks; `on_wait` is called about once a second. Raises UserMistake without weights or if no run is
    writing to the folder, and RunFailure if the run ends before it answers.
    """
    if engine is None and not reward_models:
        raise UserMistake("expected new weights: --engine MODEL, --reward-model INDEX=FOLDER, or both")
    if has_writer(output) is False:
        raise UserMistake(f"{output}: expected a run that is running, found none; start it first")
    folder = output / "weights"
    make_folder(folder)
    found = filter(None, map(_NAME.fullmatch, files_in(folder)))
    number = 1 + max((int(name[1]) for name in found if name[2] == "request"), default=0)
    bundle = Bundle(version=f"{number:04d}", engine=engine, reward_models=reward_models or {})
    publish(folder / f"{bundle.version}.request.json", json.dumps(bundle.to_json()).encode())
    answer, began = folder / f"{bundle.version}.answer.json", time.monotonic()
    while not exists(answer):
        if has_writer(output) is False:
            raise RunFailure(f"{output}: the run ended before it answered; resume it, and ask again")
        on_wait(time.monotonic() - began)
        time.sleep(_POLL_SECONDS)
    content = json.loads(read_bytes(answer))
    return Answer(
        **content | {"changed": tuple(content["changed"]), "refused": tuple(content["refused"])}
    )


class WeightsDesk:
    """Answers the requests that arrive in a run folder."""

    def __init__(self, output: Path) -> None:
        self._folder = output / "weights"

    def current(self) -> Bundle | None:
        """The bundle that the run has now; None for the config's own weights. Blocks."""
        path = self._folder / _CURRENT
        return Bundle.of_json(json.loads(read_bytes(path))) if exists(path) else None

    async def serve(self, change: Callable[[Bundle], Awaitable[Answer]]) -> None:
        """Passes each request to `change` and writes the answer, until it is cancelled."""
        while True:
            for version in await asyncio.to_thread(self._open_requests):
                bundle = await asyncio.to_thread(self._read_request, version)
                answer = bundle if isinstance(bundle, Answer) else await change(bundle)
                await asyncio.to_thread(self._settle, bundle, answer)
            await asyncio.sleep(_POLL_SECONDS)

    def _read_request(self, version: str) -> Bundle | Answer:
        """The bundle, or the answer to a request that cannot be read: it may not end the run."""
        path = self._path(version, "request")
        try:
            return Bundle.of_json(json.loads(read_bytes(path)))
        except (ValueError, KeyError, TypeError, AttributeError) as e:
            wrong = f"{path}: expected a request of `berry weights`, got something else ({named(e)})"
            return Answer(version=version, refused=(wrong,), is_mistake=True)

    def _settle(self, bundle: Bundle | Answer, answer: Answer) -> None:
        if answer.changed and isinstance(bundle, Bundle):
            whole = bundle.over(self.current())
            publish(self._folder / _CURRENT, json.dumps(whole.to_json()).encode())
        publish(self._path(answer.version, "answer"), json.dumps(asdict(answer)).encode())

    def _open_requests(self) -> list[str]:
        found = [_NAME.fullmatch(name) for name in files_in(self._folder)]
        kinds = {kind: {m[1] for m in found if m and m[2] == kind} for kind in ("request", "answer")}
        return sorted(kinds["request"] - kinds["answer"])

    def _path(self, version: str, what: str) -> Path:
        return self._folder / f"{version}.{what}.json"
