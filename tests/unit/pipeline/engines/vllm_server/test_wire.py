from typing import Any

import pytest

from pipeline.engines import Load, Request, Sampling
from pipeline.engines.vllm_server.wire import (
    BadAnswer,
    add_loads,
    completion_body,
    error_message,
    read_completion,
    read_load,
    read_scores,
    scoring_body,
)

ANSWER: dict[str, Any] = {
    "id": "cmpl-1",
    "choices": [
        {
            "index": 0,
            "text": "so",
            "token_ids": [5, 6],
            "logprobs": {"token_logprobs": [-0.5, 0.0], "tokens": ["s", "o"]},
            "finish_reason": "stop",
            "stop_reason": "\n",
        }
    ],
    "usage": {"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 8}},
}
METRICS = """\
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0"} 3.0
vllm:num_requests_running{engine="1"} 1.0
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{engine="0"} 2.0
# TYPE vllm:kv_cache_usage_perc gauge
vllm:kv_cache_usage_perc{engine="0"} 0.25
vllm:kv_cache_usage_perc{engine="1"} 0.5
# TYPE vllm:num_preemptions_total counter
vllm:num_preemptions_total{engine="0"} 7.0
# TYPE vllm:num_preemptions_created gauge
vllm:num_preemptions_created{engine="0"} 1.79e+09
# TYPE vllm:prefix_cache_queries_total counter
vllm:prefix_cache_queries_total{engine="0"} 100.0
# TYPE vllm:prefix_cache_hits_total counter
vllm:prefix_cache_hits_total{engine="0"} 60.0
# TYPE vllm:generation_tokens_total counter
vllm:generation_tokens_total{engine="0"} 40.0
"""
LOAD = Load(
    num_running=4,
    num_waiting=2,
    kv_used=0.5,
    num_preempted=7,
    num_prompt_tokens=100,
    num_cached_tokens=60,
    num_sampled_tokens=40,
)


def test_a_body_sets_everything_that_shapes_the_distribution() -> None:
    sampling = Sampling(temperature=0.5, top_p=0.9, top_k=4, max_tokens=100, stop=("#",))
    request = Request(
        token_ids=(1, 2), num_rollouts=3, max_tokens=7, sampling=sampling, seed=1, pause=("\n",)
    )
    body = completion_body(request, model="m", logprobs=True, seed=9)
    assert body["prompt"] == [1, 2]
    assert body["stop"] == ["#", "\n"]
    assert (body["max_tokens"], body["seed"], body["logprobs"]) == (7, 9, 0)
    # What generation_config.json may change, at the values that change nothing.
    assert (body["repetition_penalty"], body["min_p"]) == (1.0, 0.0)
    assert completion_body(request, model="m", logprobs=False, seed=None)["logprobs"] is None


def test_an_answer_is_read() -> None:
    sampled = read_completion(ANSWER)
    assert (sampled.token_ids, sampled.logprobs) == ((5, 6), (-0.5, 0.0))
    assert (sampled.finish_reason, sampled.stop_reason) == ("stop", "\n")
    assert sampled.num_cached_tokens == 8
    assert read_completion(ANSWER | {"usage": {}}).num_cached_tokens is None


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"token_ids": None}, "in choices.0.token_ids"),
        ({"token_ids": []}, "got 0 tokens"),
        ({"token_ids": [5]}, "got 1 tokens and 2 log-probabilities"),
        ({"logprobs": {"token_logprobs": [None, 0.0]}}, "in choices.0.logprobs.token_logprobs.0"),
    ],
)
def test_an_answer_without_exact_tokens_is_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(BadAnswer, match=complaint) as told:
        read_completion({"choices": [ANSWER["choices"][0] | changes]})
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("answer", [None, "text", {"choices": []}, []])
def test_anything_else_is_refused(answer: object) -> None:
    with pytest.raises(BadAnswer):
        read_completion(answer)


def test_a_refusals_message_is_one_line() -> None:
    assert error_message({"error": {"message": "too\nlong"}}) == "too long"
    assert error_message({"error": "no"}) == "no"
    assert error_message("<html>\n") == "<html>"
    assert error_message({"detail": "Not Found"}) == "{'detail': 'Not Found'}"


def test_the_load_is_read_from_metrics_and_added_up() -> None:
    assert read_load(METRICS) == LOAD
    assert read_load("") is None
    both = add_loads([LOAD, Load(num_running=1, num_waiting=0, kv_used=0.75)])
    assert both == Load(num_running=5, num_waiting=2, kv_used=0.75)
    assert add_loads([]) is None


def test_scores_are_those_of_the_last_ids() -> None:
    assert scoring_body((3, 5, 6), model="m")["prompt"] == [3, 5, 6]
    scores = [None, {"5": {"logprob": -0.5}}, {"6": {"logprob": -1.5, "rank": 2}}]
    answer = {"choices": [{"prompt_logprobs": scores, "text": "x"}]}
    assert read_scores(answer, (5, 6)) == (-0.5, -1.5)
    assert read_scores(answer, (6,)) == (-1.5,)
    for wrong in (
        ANSWER,
        {"choices": [{"prompt_logprobs": None}]},
        {"choices": [{"prompt_logprobs": scores[:1]}]},
        {"choices": [{"prompt_logprobs": [{"7": {"logprob": -1}}] * 3}]},
    ):
        with pytest.raises(BadAnswer, match="expected `prompt_logprobs` of all tokens"):
            read_scores(wrong, (5, 6))
