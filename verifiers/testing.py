"""The verifier contract as a test suite for any verifier. One line in a test file:

    TestMine = verifier_contract(Mine, target=Target(kind="product"), right=["6*7"], wrong=["6*8"])

`pytest` then checks that right responses pass and wrong ones fail; that text without an answer, however
strange or large, never passes, never raises and never takes too long; that the same question gets the
same verdict, also from another instance in another process; that a missing target never yields a trial;
and that the class, its options and its verdicts can be pickled.

The suite cannot show that the verifier is right beyond the given samples.

The verifier runs in processes of the suite's own, so it may hang without harm; its module must be
importable by name. If a fixture makes the options, such as a server's address, write a subclass with a
class-scoped fixture `options` of its own.
"""

import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest

from verifiers.isolation.examiner import Examiner, Question
from verifiers.isolation.target_kinds import refusal
from verifiers.records import Outcome, Target, Verdict

_MB = 1_000_000
HOSTILE: Mapping[str, Callable[[], str]] = {
    "empty": lambda: "",
    "white space": lambda: " \t\r\n\v\f",
    "control characters": lambda: "".join(map(chr, range(32))),
    "lone surrogates": lambda: "\ud800 \\boxed{\udfff} \udc00",
    "directions and invisible": lambda: "\u202e\u200b\ufeff\u2066\ufffd\u0301",
    "format marks": lambda: "%s %n {0} {x!r} ${HOME} `id` $(id)",
    "empty boxes": lambda: "\\boxed{}" * 500,
    "broken fraction": lambda: r"\boxed{\frac{}{}}",
    "tower of powers": lambda: r"\boxed{9^{9^{9^{9^9}}}}",
    "open boxes": lambda: "\\boxed{" * 20_000,
    "open code": lambda: "```python\n" * 20_000,
    "only phrases": lambda: "the answer is " * 20_000,
    "only hashes": lambda: "####" * 20_000,
    "quotes": lambda: "\"'" * 20_000,
    "a box with many brackets": lambda: "\\boxed{" + "(" * 3_000 + "}",
    "a box with a large text": lambda: "\\boxed{" + "x" * 100_000 + "}",
    "1 MB of letters": lambda: "a" * _MB,
    "1 MB of digits": lambda: "9" * _MB,
    "1 MB of brackets": lambda: "(" * _MB,
    "1 MB of lists": lambda: "[" * _MB,
    "1 MB of objects": lambda: '{"a":' * (_MB // 5),
    "1 MB of spaces": lambda: " " * _MB,
    "1 MB of lines": lambda: "a\n" * (_MB // 2),
    "1 MB of zero bytes": lambda: "\x00" * _MB,
    "1 MB of backslashes": lambda: "\\" * _MB,
    "1 MB of signs": lambda: "+-" * (_MB // 2),
    "1 MB of emoji": lambda: "\U0001f353" * (_MB // 4),
}
"""Texts without an answer. Keyed by name, because a megabyte makes a bad test id."""
NO_TEXTS: Mapping[str, Any] = {"None": None, "bytes": b"42", "a number": 42, "a list": ["42"]}


@dataclass(frozen=True, kw_only=True)
class Exam:
    """The verifier under test and its samples."""

    cls: type[Any]
    options: Mapping[str, Any] = field(default_factory=dict)
    target: Target
    right: Sequence[str]
    wrong: Sequence[str]
    no_answer: Sequence[str] = ("I wonder.",)
    no_target: Target | None = None
    prompt: str = ""
    seconds: float = 20.0


def verifier_contract(
    cls: type[Any],
    *,
    target: Target,
    right: Sequence[str],
    wrong: Sequence[str],
    options: Mapping[str, Any] | None = None,
    no_answer: Sequence[str] = ("I wonder.",),
    needs_target: bool = True,
    no_target: Target | None = None,
    prompt: str = "",
    seconds: float = 20.0,
) -> type["VerifierContract"]:
    """A test class for the verifier `cls`; bind it to a name that begins with `Test`.

    `right` and `wrong` are responses to `prompt`, judged against `target`; the `no_answer` responses
    contain no answer. `no_target` is a target that does not say what is right; it defaults to one of
    the same kind without value and tests. `needs_target=False` is for a verifier that needs no target.
    `seconds` limits the time for each response.
    """
    if isinstance(right, str) or isinstance(wrong, str) or not right or not wrong:
        raise ValueError("expected `right` and `wrong` to be lists with at least one response each")
    empty = (no_target or Target(kind=target.kind)) if needs_target else None
    exam = Exam(
        cls=cls,
        options=dict(options or {}),
        target=target,
        right=right,
        wrong=wrong,
        no_answer=no_answer,
        no_target=empty,
        prompt=prompt,
        seconds=seconds,
    )
    return type(f"Test{cls.__name__}", (VerifierContract,), {"exam": exam, "__module__": __name__})


class VerifierContract:
    """The tests; `verifier_contract` makes a subclass with an exam."""

    exam: ClassVar[Exam]

    @pytest.fixture(scope="class")
    @classmethod
    def options(cls) -> Mapping[str, Any]:
        """The verifier's options; override it if a fixture makes them."""
        return cls.exam.options

    @pytest.fixture(scope="class")
    @classmethod
    def examiner(cls, options: Mapping[str, Any]) -> Iterator[Examiner]:
        """The built verifier, in a process of its own."""
        examiner = Examiner(cls.exam.cls, dict(options))
        if problem := examiner.start():
            pytest.fail(f"{cls.exam.cls.__name__}: {problem}")
        yield examiner
        examiner.close()

    def test_it_takes_the_kind_of_its_samples(self) -> None:
        for target in (self.exam.target, self.exam.no_target):
            if target is not None and (problem := refusal(self.exam.cls, target.kind)):
                pytest.fail(f"expected {self.exam.cls.__name__} to take its samples, but it {problem}")

    def test_right_responses_pass(self, examiner: Examiner) -> None:
        for response in self.exam.right:
            self._expect(self._ask(examiner, response), Outcome.PASS, response)

    def test_wrong_responses_fail(self, examiner: Examiner) -> None:
        for response in self.exam.wrong:
            self._expect(self._ask(examiner, response), Outcome.FAIL, response)

    def test_what_answers_nothing_never_passes(self, examiner: Examiner) -> None:
        for response in self.exam.no_answer:
            self._never_passes(self._ask(examiner, response), response)

    @pytest.mark.parametrize("name", HOSTILE)
    def test_strange_text_never_passes(self, examiner: Examiner, name: str) -> None:
        self._never_passes(self._ask(examiner, HOSTILE[name]()), name)

    @pytest.mark.parametrize("name", NO_TEXTS)
    def test_what_is_no_text_is_an_error(self, examiner: Examiner, name: str) -> None:
        verdict = self._ask(examiner, NO_TEXTS[name], at_border=True)
        self._expect(verdict, Outcome.ERROR, name)

    def test_without_a_target_nothing_is_a_trial(self, examiner: Examiner) -> None:
        if self.exam.no_target is None:
            pytest.skip("this verifier needs no target")
        for response in (*self.exam.right, *self.exam.wrong):
            verdict = self._ask(examiner, response, target=self.exam.no_target)
            if verdict.outcome.is_trial:
                pytest.fail(
                    f"expected abstain or error for {response!r:.200} without a target, "
                    f"got {_told(verdict)}"
                )
            if verdict.no_answer:
                pytest.fail(
                    f"expected {response!r:.200} to give an answer, since it is judged with a target, "
                    "got no_answer=True"
                )

    def test_the_same_question_has_the_same_answer(
        self, examiner: Examiner, options: Mapping[str, Any]
    ) -> None:
        other = Examiner(self.exam.cls, dict(options))
        try:
            for response in (*self.exam.right, *self.exam.wrong, *self.exam.no_answer):
                first = self._ask(examiner, response)
                for again in (examiner, examiner, other):
                    second = self._ask(again, response)
                    if _said(first) != _said(second):
                        pytest.fail(
                            f"expected the same verdict again for {response!r:.200}, got "
                            f"{_told(first)}, then {_told(second)}"
                        )
        finally:
            other.close()

    def test_class_options_and_verdict_can_be_sent(
        self, examiner: Examiner, options: Mapping[str, Any]
    ) -> None:
        config = self.exam.cls.Config.model_validate(dict(options))
        verdict = self._ask(examiner, self.exam.right[0])
        for what, thing in (("class", self.exam.cls), ("options", config), ("verdict", verdict)):
            if pickle.loads(pickle.dumps(thing)) != thing:
                pytest.fail(f"expected the {what} to be the same after pickling")

    def test_it_can_be_closed_twice_and_unused(self, options: Mapping[str, Any]) -> None:
        unused = Examiner(self.exam.cls, dict(options))
        problem = unused.start() or unused.close()
        if problem:
            pytest.fail(f"{self.exam.cls.__name__}: {problem}")

    # ------------------------------------------------------------------------------------ helpers

    def _ask(
        self,
        examiner: Examiner,
        response: Any,
        *,
        target: Target | None = None,
        at_border: bool = False,
    ) -> Verdict:
        """The verdict; fails the test if there is none, or if it lacks its verifier or reason."""
        question = Question(
            prompt=self.exam.prompt,
            response=response,
            target=target or self.exam.target,
            at_border=at_border,
        )
        answer = examiner.ask(question, self.exam.seconds)
        verdict = answer.verdict
        if verdict is None:
            pytest.fail(f"expected a verdict on {response!r:.100}, but the verifier {answer.problem}")
        if not verdict.reason.strip():
            pytest.fail(f"expected the verdict on {response!r:.100} to have a reason")
        if (verdict.verifier, verdict.version) != (examiner.name, examiner.version):
            pytest.fail(
                f"expected a verdict from {examiner.name}/{examiner.version}, "
                f"got one from {verdict.verifier}/{verdict.version}"
            )
        return verdict

    def _expect(self, verdict: Verdict, outcome: Outcome, what: str) -> None:
        if verdict.outcome is not outcome:
            pytest.fail(f"expected {outcome.value} for {what!r:.200}, got {_told(verdict)}")

    def _never_passes(self, verdict: Verdict, what: str) -> None:
        if verdict.outcome is Outcome.PASS:
            pytest.fail(f"expected anything but a pass for {what!r:.200}, got {_told(verdict)}")


def _told(verdict: Verdict) -> str:
    return f"{verdict.outcome.value} ({verdict.reason})"


def _said(verdict: Verdict) -> tuple[Outcome, str, str | None, bool]:
    return verdict.outcome, verdict.reason, verdict.extracted, verdict.no_answer
