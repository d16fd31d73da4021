"""Steps keep every id and every character, whatever the text and however it is cut into tokens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.engines import Completion
from pipeline.rollouts.steps import StepConfig, StepSplitter
from pipeline.tree import Finish
from tests.conftest import make_completion

configs = st.sampled_from(
    [
        StepConfig(at="newline"),
        StepConfig(at="blank_line"),
        StepConfig(at="regex", pattern=r"(?=Step)"),
        StepConfig(at="regex", pattern=r"\. "),
        StepConfig(at="regex", pattern=r"x*"),
    ]
)
token_texts = st.lists(
    st.sampled_from(["", "a", "\n", "\n\n", " ", ".", ". ", "Step", "é", "b\nc", "x"])
)


@given(configs, token_texts, st.integers(0, 5))
def test_joining_the_steps_gives_the_completion(
    config: StepConfig, texts: list[str], num_cut: int
) -> None:
    full = "".join(texts)
    completion = make_completion(*texts, text=full[: max(0, len(full) - num_cut)])
    steps = StepSplitter(config).split(completion)
    assert tuple(token for step in steps for token in step.token_ids) == completion.token_ids
    assert "".join(step.text for step in steps) == completion.text
    assert all(step.token_ids for step in steps)
    if steps:
        assert sum(step.logprob or 0 for step in steps) == pytest.approx(-0.5 * len(texts))
        assert {step.max_surprisal for step in steps} <= {0.5}


@given(configs, token_texts)
def test_no_step_is_blank_unless_everything_is(config: StepConfig, texts: list[str]) -> None:
    steps = StepSplitter(config).split(make_completion(*texts))
    if "".join(texts).strip():
        assert all(step.text.strip() for step in steps)
    else:
        assert len(steps) == bool(texts)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (StepConfig(at="newline"), ["one\n", "two\n\n", "three"]),
        (StepConfig(at="blank_line"), ["one\ntwo\n\n", "three"]),
        (StepConfig(at="regex", pattern="t"), ["one\nt", "wo\n\nt", "hree"]),
    ],
)
def test_where_steps_end(config: StepConfig, expected: list[str]) -> None:
    steps = StepSplitter(config).split(make_completion(*"one\ntwo\n\nthree"))
    assert [step.text for step in steps] == expected


def test_a_delimiter_inside_a_token_ends_the_step_after_that_token() -> None:
    steps = StepSplitter(StepConfig(at="newline")).split(make_completion("a", "b\nc", "d"))
    assert [step.text for step in steps] == ["ab\nc", "d"]


def test_the_end_token_belongs_to_the_last_step() -> None:
    steps = StepSplitter(StepConfig(at="newline")).split(make_completion("a", "\n", "b", "\n", ""))
    assert [step.token_ids for step in steps] == [(0, 1), (2, 3, 4)]


def test_without_log_probabilities_a_step_has_none() -> None:
    completion = Completion(
        token_ids=(1,), token_texts=("a",), text="a", logprobs=None, finish=Finish.STOP
    )
    assert StepSplitter(StepConfig()).split(completion)[0].logprob is None


@pytest.mark.parametrize(
    "options", [{"at": "regex"}, {"pattern": "x"}, {"at": "regex", "pattern": "("}]
)
def test_a_rule_that_cannot_work_is_refused(options: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="pattern"):
        StepConfig.model_validate(options)
