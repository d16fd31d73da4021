"""`reasoning_gym`: what does the task's own scorer say, for problems of the reasoning-gym library?

Many tasks have more than one right answer (any expression that makes the number); the library has a
scorer for each. A score below the threshold is a failure only if the same scorer gives the entry's
own answer the threshold: an entry that was damaged on its way is an error, not a failure.

Scorers run in processes with limits on time and memory, which is no sandbox. Some evaluate text of the
answer as Python: those are refused (`REFUSED`), or get an evaluator that reads literals only, or are
shown arithmetic alone. Refused too are scorers that give wrong answers the full score.
"""

import ast
import json
import math
import re
import sys
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from verifiers.answers import extract_answer
from verifiers.code.inside.values import NoValue, decode
from verifiers.records import Outcome, Target, Verdict
from verifiers.workers import CheckFailed, ProcessWorkers

_EVALUATES = "its scorer evaluates text as Python"
REFUSED = {
    "bitwise_arithmetic": _EVALUATES,
    "intermediate_integration": _EVALUATES,
    "polynomial_multiplication": _EVALUATES,
    "simple_integration": _EVALUATES,
    "puzzle24": f"{_EVALUATES}, and takes any four numbers for those of the problem",
    "number_sorting": f"{_EVALUATES}, and takes numbers that are off by one, and NaN, as right",
    "coin_flip": "its scorer takes the beginning of a number, such as 0, for the number",
    "game_of_life_halting": "its scorer takes every answer as right",
    "composite": "its scorer needs the tasks that it was made of: use those",
}
"""Tasks that are not scored, and why; found by reading the scorers of reasoning-gym 0.1.25."""
READS_LITERALS = frozenset({"binary_matrix", "n_queens", "spiral_matrix", "string_insertion"})
"""Tasks whose scorer calls `eval` on answers only to read lists."""
ARITHMETIC = frozenset({"countdown"})
"""Tasks whose scorer evaluates answers, which for a right answer are plain arithmetic."""

_ANSWER_STARTS = re.compile(r"<answer>|<\|begin_of_box\|>", re.IGNORECASE)
_ANSWER_ENDS = re.compile(r"</answer>|<\|end_of_box\|>", re.IGNORECASE)
_PLAIN_ARITHMETIC = re.compile(r"[0-9+\-*/() ]+")
_LONGEST_ANSWER = 100_000

Question = tuple[Mapping[str, object], str, float]
"""The target's tests, the answer, the threshold."""
Result = tuple[Outcome, str, float | None]


class ReasoningGymVerifier:
    """Asks the scorer of the task that made the problem."""

    class Config(BaseModel):
        """What counts as right, and limits."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        threshold: float = Field(default=1.0, gt=0, le=1)
        """The least score of a right answer; scorers give less than 1 to answers that are near."""
        timeout_seconds: float = Field(default=10.0, gt=0)
        """Hard limit on scoring one answer."""
        memory_mb: int = Field(default=1024, ge=64)
        """Hard limit on a scoring process, beyond its imports."""
        workers: int = Field(default=1, ge=1)
        """Scoring processes."""

    name = "reasoning_gym"
    version = "2"
    target_kinds = ("reasoning_gym",)

    def __init__(self, config: Config) -> None:
        self.config = config
        self._workers = ProcessWorkers(
            score,
            max_workers=config.workers,
            timeout_seconds=config.timeout_seconds,
            memory_mb=config.memory_mb,
            preload=["reasoning_gym"],
        )

    async def verify(self, prompt: str, response: str, target: Target) -> Verdict:
        """PASS or FAIL; ABSTAIN without an answer; ERROR for a refused task or a broken scorer."""
        start = time.perf_counter()
        answer, value = None, None
        problem = _complaint(target.tests)
        if problem is not None:
            outcome, reason = Outcome.ERROR, problem
        elif (answer := find_answer(response, target.tests)) is None:
            outcome, reason = Outcome.ABSTAIN, "the response states no answer"
        else:
            outcome, reason, value = await self._score(target.tests, answer)
        evidence = {"dataset": target.tests.get("dataset"), "score": value}
        return Verdict(
            outcome=outcome,
            reason=reason,
            extracted=answer,
            no_answer=outcome is Outcome.ABSTAIN and answer is None,
            evidence={} if value is None else evidence | {"threshold": self.config.threshold},
            verifier=self.name,
            version=self.version,
            seconds=time.perf_counter() - start,
        )

    async def start(self) -> None:
        """Starts the scoring processes, so that the first answer need not wait for them."""
        await self._workers.start()

    async def close(self) -> None:
        """Ends the scoring processes; calling it twice is fine."""
        await self._workers.close()

    async def _score(self, tests: Mapping[str, object], answer: str) -> Result:
        if len(answer) > _LONGEST_ANSWER:
            return Outcome.ERROR, f"the answer has more than {_LONGEST_ANSWER} characters", None
        if tests["dataset"] in ARITHMETIC and not _is_arithmetic(answer):
            return Outcome.FAIL, "expected whole numbers, + - * / and brackets only", 0.0
        try:
            return await self._workers.run((dict(tests), answer, self.config.threshold))
        except CheckFailed as e:
            return Outcome.ERROR, " ".join(str(e).split()), None


def find_answer(response: str, tests: Mapping[str, Any]) -> str | None:
    """The last `<answer>...</answer>`, else the stated answer; None where there is none.

    Where the entry's own answer has several lines, or there is no own answer to tell by, a stated
    answer is the last fenced block, or a box: other marks hold one line.
    """
    ends = [match.start() for match in _ANSWER_ENDS.finditer(response)]
    starts = [match.end() for match in _ANSWER_STARTS.finditer(response, 0, ends[-1])] if ends else []
    if starts:
        return _trimmed(response[starts[-1] : ends[-1]])
    stated = extract_answer(response)
    own = tests["entry"].get("answer")
    if isinstance(own, str) and "\n" not in own.strip():
        return stated
    if stated is not None and ("\\boxed" in response or "\\fbox" in response):
        return stated
    return _last_block(response)


def _last_block(text: str) -> str | None:
    """The last closed fenced block; line by line, since text may be long and full of fences."""
    block, opened = None, -1
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if not line.startswith("```"):
            continue
        if opened >= 0 and not line.strip("` \t"):
            block, opened = "\n".join(lines[opened:number]), -1
        else:
            opened = number + 1
    return None if block is None else _trimmed(block)


def _trimmed(text: str) -> str | None:
    """Without empty lines around it; the first line keeps its spaces, which in a grid count."""
    return text.strip("\r\n").rstrip() or None


def score(question: Question) -> Result:
    """Scores an answer; runs in a scoring process. Raises what the scorer raises."""
    tests, answer, threshold = question
    try:
        entry = decode(tests["entry"])
    except NoValue as e:
        return Outcome.ERROR, f"target.tests.entry: {e}", None
    dataset = _dataset(str(tests["dataset"]), json.dumps(tests.get("options") or {}))
    value = _checked(dataset.score_answer(answer, entry))
    if value >= threshold:
        return Outcome.PASS, "the scorer takes it as right", value
    # Anew, since scorers may change the entry.
    fresh = decode(tests["entry"])
    own = fresh.get("answer")
    if own is not None and _checked(dataset.score_answer(own, fresh)) < threshold:
        reason = "the scorer does not take the entry's own answer as right: the entry is damaged"
        return Outcome.ERROR, f"{reason} (lists that were tuples?) or lacks its `options`", None
    return Outcome.FAIL, "the scorer does not take it as right", value


def _complaint(tests: Mapping[str, object]) -> str | None:
    """What is wrong with the target's tests; None if nothing is."""
    dataset, entry = tests.get("dataset"), tests.get("entry")
    if not isinstance(dataset, str) or not isinstance(entry, Mapping):
        return "target.tests: expected `dataset`, a task's name, and `entry`, an object"
    if dataset in REFUSED:
        return f"{dataset} cannot be judged: {REFUSED[dataset]}"
    if not isinstance(tests.get("options") or {}, Mapping):
        return "target.tests.options: expected an object of the task's options"
    if entry.get("answer") == "":
        return "target.tests.entry: the own answer is empty, and so is that of no answer"
    return None


@lru_cache(maxsize=64)
def _dataset(name: str, options: str) -> Any:
    """The task; some scorers read its options. It makes no problems here, so any seed does."""
    import reasoning_gym

    dataset = reasoning_gym.create_dataset(name, **{"size": 1, "seed": 0, **json.loads(options)})
    if name in READS_LITERALS:
        # A module's own names come before the built-in ones.
        vars(sys.modules[type(dataset).__module__])["eval"] = ast.literal_eval
    return dataset


def _checked(value: object) -> float:
    if not isinstance(value, int | float) or not math.isfinite(value) or not 0 <= value <= 1:
        raise ValueError(f"expected the scorer to give a number from 0 to 1, got {value!r}"[:200])
    return float(value)


def _is_arithmetic(answer: str) -> bool:
    """Nothing that could name anything; `**` and `//` are no operations of these tasks."""
    bare = answer.strip()
    return bool(_PLAIN_ARITHMETIC.fullmatch(bare)) and "**" not in bare and "//" not in bare
