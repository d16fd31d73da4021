"""Engines sample continuations of token-id prefixes.

engine.py         the protocol, requests and completions
vllm.py           vLLM; models.py finds the model, chat_format.py applies its chat template
vllm_server       vLLM servers that run elsewhere, over HTTP
model_text.py     what both share: prompts and completions of a model with a tokenizer
weights.py        checks weights before an engine loads them; gate.py holds requests meanwhile
simulated.py      a simulated solver, for tests, scale, and machines without a model
simulated_prm.py  a reward model that knows the mistakes of the simulated solver
shares.py         which of several engines explores a problem
border.py         checks a third-party engine and what it returns
metered.py        counts the tokens that an engine samples
"""

from pipeline.engines.engine import (
    ENGINES,
    Completion,
    EncodesText,
    Engine,
    EngineDied,
    EngineStartError,
    Instructable,
    Load,
    MessageMatcher,
    Observable,
    OwnsTokenizer,
    Prompt,
    PromptFormat,
    ReportsLoad,
    Request,
    RequestRejected,
    Sampling,
    ScoresTokens,
    Updatable,
    WeightsRefused,
    join_versions,
)

__all__ = [
    "ENGINES",
    "Completion",
    "EncodesText",
    "Engine",
    "EngineDied",
    "EngineStartError",
    "Instructable",
    "Load",
    "MessageMatcher",
    "Observable",
    "OwnsTokenizer",
    "Prompt",
    "PromptFormat",
    "ReportsLoad",
    "Request",
    "RequestRejected",
    "Sampling",
    "ScoresTokens",
    "Updatable",
    "WeightsRefused",
    "join_versions",
]
