"""`reasoning_gym`: scores answers with the task's own scorer from the reasoning-gym library.

Many tasks have more than one right answer (any expression that makes the number), so the library has a
scorer for each. A score below the threshold is a failure only if the same scorer gives the entry's own
answer at least the threshold: an entry that was damaged in transit is an error, not a failure.

Scorers run in processes with time and memory limits, but without a sandbox. Some evaluate the answer's
text as Python: those tasks are refused (`REFUSED`), get an evaluator that reads only literals, or
receive only plain arithmetic. Tasks whose scorer gives wrong answers the full score are refused as
well.
"""

import ast
import importlib.util
import json
import math
import re
import sys
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from verifiers.answers import extract_answer
from verifiers.code.inside.values import NoValue, decode
from verifiers.isolation.workers import CheckFailed, ProcessWorkers
from verifiers.records import Outcome, Target, Verdict, VerifierBase

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
    "composite": "its scorer needs the tasks that it consists of: use those",
}
"""Refused tasks and the reasons, from reading the scorers of reasoning-gym 0.1.25."""
READS_LITERALS = frozenset({"binary_matrix", "n_queens", "spiral_matrix", "string_insertion"})
"""Tasks whose scorer calls `eval` on answers only to read lists."""
ARITHMETIC = frozenset({"countdown"})
"""Tasks whose scorer evaluates answers, and whose right answers are plain arithmetic."""

_ANSWER_STARTS = re.compile(r"<answer>|<\|begin_of_box\|>", re.IGNORECASE)
_ANSWER_ENDS = re.compile(r"</answer>|<\|end_of_box\|>", re.IGNORECASE)
_PLAIN_ARITHMETIC = re.compile(r"[0-9+\-*/() ]+")
_LONGEST_ANSWER = 100_000

Question = tuple[Mapping[str, object], str, float]
"""The target's tests, the answer, the threshold."""
Result = tuple[Outcome, str, float | None]


class ReasoningGymVerifier(VerifierBase):
    """Calls the scorer of the task that made the problem."""

    class Config(BaseModel):
        """Threshold for a right answer, and limits."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        threshold: float = Field(default=1.0, gt=0, le=1)
        """Least score of a right answer; scorers give partial credit below 1."""
        timeout_seconds: float = Field(default=10.0, gt=0)
        """Hard limit on scoring one answer."""
        memory_mb: int = Field(default=1024, ge=64)
        """Hard limit on a scoring process's memory, beyond its imports."""
        check_processes: int = Field(default=1, ge=1)
        """Scoring processes."""

    name = "reasoning_gym"
    version = "2"
    target_kinds = ("reasoning_gym",)

    def __init__(self, config: Config) -> None:
        """Raises ModuleNotFoundError if the library is not installed."""
        if importlib.util.find_spec("reasoning_gym") is None:
            # Checked here, because the scoring processes would only crash.
            raise ModuleNotFoundError(
                "it needs the package reasoning_gym, which is not installed: "
                "pip install 'berry-pipeline[gym]'",
                name="reasoning_gym",
            )
        self.config = config
        self._workers = ProcessWorkers(
            score,
            max_workers=config.check_processes,
            timeout_seconds=config.timeout_seconds,
            memory_mb=config.memory_mb,
            preload=["reasoning_gym"],
        )

    async def judge(self, prompt: str, response: str, target: Target) -> Verdict:
        """PASS or FAIL; ABSTAIN without an answer; ERROR for a refused task or a broken scorer."""
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
        )

    async def start(self) -> None:
        """Starts the scoring processes, so that the first answer does not wait for them."""
        await self._workers.start()

    async def close(self) -> None:
        """Ends the scoring processes. Calling it twice is safe."""
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
    """The last `<answer>...</answer>`, otherwise the stated answer; None without either.

    If the entry's own answer has several lines, or is missing, the stated answer is the last fenced
    block or a box, because other marks hold only one line.
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
    """The last closed fenced block; scanned by line, since text may be long and full of fences."""
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
    """Without surrounding empty lines; the first line keeps its indentation, which a grid needs."""
    return text.strip("\r\n").rstrip() or None


def score(question: Question) -> Result:
    """Scores an answer. Runs in a scoring process. Raises whatever the scorer raises."""
    tests, answer, threshold = question
    try:
        entry = decode(tests["entry"])
    except NoValue as e:
        return Outcome.ERROR, f"target.tests.entry: {e}", None
    dataset = _dataset(str(tests["dataset"]), json.dumps(tests.get("options") or {}))
    value = _checked(dataset.score_answer(answer, entry))
    if value >= threshold:
        return Outcome.PASS, "the scorer takes it as right", value
    # Parsed again, because scorers may change the entry.
    fresh = decode(tests["entry"])
    own = fresh.get("answer")
    if own is not None and _checked(dataset.score_answer(own, fresh)) < threshold:
        reason = "the scorer does not take the entry's own answer as right: the entry is damaged"
        return Outcome.ERROR, f"{reason} (lists that were tuples?) or lacks its `options`", None
    return Outcome.FAIL, "the scorer does not take it as right", value


def _complaint(tests: Mapping[str, object]) -> str | None:
    """Description of the first fault in the target's tests; None if they are valid."""
    dataset, entry = tests.get("dataset"), tests.get("entry")
    if not isinstance(dataset, str) or not isinstance(entry, Mapping):
        return "target.tests: expected `dataset`, a task's name, and `entry`, an object"
    if dataset in REFUSED:
        return f"{dataset} cannot be judged: {REFUSED[dataset]}"
    if not isinstance(tests.get("options") or {}, Mapping):
        return "target.tests.options: expected an object of the task's options"
    if entry.get("answer") == "":
        return "target.tests.entry: the entry's own answer is empty, as if there were no answer"
    return None


@lru_cache(maxsize=64)
def _dataset(name: str, options: str) -> Any:
    """The task, whose options some scorers read. It generates no problems here, so any seed works."""
    import reasoning_gym

    dataset = reasoning_gym.create_dataset(name, **{"size": 1, "seed": 0, **json.loads(options)})
    if name in READS_LITERALS:
        # A module's own names shadow the built-in ones.
        vars(sys.modules[type(dataset).__module__])["eval"] = ast.literal_eval
    return dataset


def _checked(value: object) -> float:
    if not isinstance(value, int | float) or not math.isfinite(value) or not 0 <= value <= 1:
        raise ValueError(f"expected the scorer to give a number from 0 to 1, got {value!r}"[:200])
    return float(value)


def _is_arithmetic(answer: str) -> bool:
    """Whether the answer has only arithmetic and no names; these tasks do not use `**` and `//`."""
    bare = answer.strip()
    return bool(_PLAIN_ARITHMETIC.fullmatch(bare)) and "**" not in bare and "//" not in bare
