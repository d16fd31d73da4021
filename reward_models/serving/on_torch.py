"""Backend `transformers`: one forward pass for each batch of sequences of similar length.

A causal model scores every step of a sequence in one pass, so a sequence that is a prefix of another
costs nothing extra. Requests that arrive during a pass are merged for the next one.
"""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

from reward_models.serving.inputs import Input
from reward_models.serving.loading import Found, Loaded, load


class OnTorch:
    """A reward model in this process."""

    def __init__(
        self,
        found: Found,
        *,
        device: str,
        dtype: str,
        max_batch_tokens: int,
        words: tuple[int, int] | None,
    ) -> None:
        """`dtype` is one of torch's names, or `auto`: bfloat16 on a GPU, float32 on a CPU."""
        self._found = found
        self._device = device
        self._dtype = dtype
        self._max_batch_tokens = max_batch_tokens
        self._words = words
        self._model: Loaded | None = None
        self._waiting: list[tuple[Sequence[Input], asyncio.Future[list[list[float]]]]] = []
        self._running: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Loads the model. Raises RewardModelError."""
        self._model = await asyncio.to_thread(self._load)

    async def score(self, inputs: Sequence[Input]) -> list[list[float]]:
        """For each input, the probability of `right` at each end; NaN if the model gives NaN."""
        answer: asyncio.Future[list[list[float]]] = asyncio.get_running_loop().create_future()
        self._waiting.append((inputs, answer))
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run())
        return await answer

    async def close(self) -> None:
        """Frees the model after the current pass. Calling it twice is safe."""
        running, self._running = self._running, None
        if running is not None:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        for _, answer in self._waiting:
            answer.cancel()
        self._waiting.clear()
        self._model = None

    async def _run(self) -> None:
        """Runs passes over all waiting inputs until none are left."""
        while self._waiting:
            calls, self._waiting = self._waiting, []
            inputs = [one for batch, _ in calls for one in batch]
            try:
                scores = iter(await asyncio.to_thread(self._score_all, inputs))
            except Exception as e:  # noqa: BLE001 - torch raises anything; the callers get it
                for _, answer in calls:
                    if not answer.done():
                        answer.set_exception(e)
                continue
            for batch, answer in calls:
                of_call = [next(scores) for _ in batch]
                if not answer.done():
                    answer.set_result(of_call)

    def _load(self) -> Loaded:
        import torch

        device = self._device
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        name = self._dtype
        if name == "auto":
            name = "bfloat16" if device.startswith("cuda") else "float32"
        self._device = device
        return load(self._found, device=device, dtype=getattr(torch, name), words=self._words)

    def _score_all(self, inputs: Sequence[Input]) -> list[list[float]]:
        groups = list(group_by_prefix(inputs))
        # The longest first, so that too little memory fails early.
        groups.sort(key=lambda group: -len(inputs[group[-1]].ids))
        scores: list[list[float]] = [[] for _ in inputs]
        for batch in self._batches(inputs, groups):
            found = self._forward(
                [inputs[group[-1]] for group in batch], [_ends(inputs, g) for g in batch]
            )
            for group, at in zip(batch, found, strict=True):
                for index in group:
                    scores[index] = [at[end] for end in inputs[index].ends]
        return scores

    def _batches(
        self, inputs: Sequence[Input], groups: Sequence[Sequence[int]]
    ) -> Iterator[Sequence[Sequence[int]]]:
        """Batches of one row, or of several with at most `max_batch_tokens` tokens with padding."""
        begin = 0
        while begin < len(groups):
            longest = max(1, len(inputs[groups[begin][-1]].ids))
            end = begin + max(1, self._max_batch_tokens // longest)
            yield groups[begin:end]
            begin = end

    def _forward(self, rows: Sequence[Input], ends: Sequence[Sequence[int]]) -> list[dict[int, float]]:
        """For each row, position -> probability of `right`."""
        import torch

        assert self._model is not None, "expected a started model"
        length = max(len(row.ids) for row in rows)
        ids = torch.zeros(len(rows), length, dtype=torch.long)
        mask = torch.zeros(len(rows), length, dtype=torch.long)
        for index, row in enumerate(rows):
            ids[index, : len(row.ids)] = torch.tensor(row.ids)
            mask[index, : len(row.ids)] = 1
        where = [(index, end) for index, of_row in enumerate(ends) for end in of_row]
        at_rows, at_places = torch.tensor(where, dtype=torch.long).reshape(-1, 2).T
        with torch.inference_mode():
            output = self._model.body(
                input_ids=ids.to(self._device), attention_mask=mask.to(self._device), use_cache=False
            )
            vectors = output.last_hidden_state[at_rows.to(self._device), at_places.to(self._device)]
            probabilities = right_probabilities(self._model.head(vectors).float()).cpu().tolist()
        found: list[dict[int, float]] = [{} for _ in rows]
        for (index, end), probability in zip(where, probabilities, strict=True):
            found[index][end] = probability
        return found


def right_probabilities(logits: Any) -> Any:
    """Probabilities of the label 1, `right`, from logits (n, 2) or, by the sigmoid, (n, 1)."""
    if logits.shape[-1] == 1:
        return logits[..., 0].sigmoid()
    return logits.softmax(-1)[..., 1]


def group_by_prefix(inputs: Sequence[Input]) -> Iterator[list[int]]:
    """Groups of input indices, in which the last input begins with each of the others."""
    order = sorted(range(len(inputs)), key=lambda index: inputs[index].ids)
    group: list[int] = []
    for index in order:
        # In this order, prefixes come directly before a sequence that they begin.
        if group and inputs[index].ids[: len(inputs[group[-1]].ids)] != inputs[group[-1]].ids:
            yield group
            group = []
        group.append(index)
    if group:
        yield group


def _ends(inputs: Sequence[Input], group: Sequence[int]) -> list[int]:
    return sorted({end for index in group for end in inputs[index].ends})
