"""The config sections that name a part by `use`, and the kind of part of each."""

from pipeline.dispatch.scoring import REWARD_MODEL
from pipeline.engines import ENGINES
from pipeline.engines.border import check_engine
from pipeline.engines.shares import EngineShare
from pipeline.problems import SOURCES
from pipeline.problems.border import check_source
from pipeline.search import STRATEGIES
from pipeline.search.border import check_strategy
from verifiers.catalog import VERIFIER
from verifiers.plugins import Kind

KINDS = {
    "problems": Kind("berry.problems", SOURCES, check=check_source),
    "engine": Kind("berry.engines", ENGINES, check=check_engine),
    "engines": Kind("berry.engines", ENGINES, settings=EngineShare, check=check_engine),
    "strategy": Kind("berry.strategies", STRATEGIES, check=check_strategy),
    "verifier": VERIFIER,
    "reward_models": REWARD_MODEL,
}
"""Config section -> the kind of part that its `use` names."""
DEFAULT_STRATEGY = {"use": "adaptive"}
