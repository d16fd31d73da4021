"""The rules of `berry clean`, of a run, a file and the command line."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from pipeline.config import ConfigError, Rules, read_rules_as
from pipeline.errors import message_of
from pipeline.hygiene.question_columns import guess_section
from pipeline.hygiene.rules import HygieneConfig, TestSet


class CleanRules(Rules):
    """The rules of `berry clean`: those over all problems, and those of the run, which may change."""

    hygiene: HygieneConfig = HygieneConfig()


def read_clean_rules(
    run: Mapping[str, Any], path: Path | None, against: Sequence[str], overrides: Sequence[str]
) -> CleanRules:
    """The rules for a run, from its run.json: its own, those of a YAML file, paths of test sets, and
    `key=value`, in which a key of `hygiene` needs no section before it. Raises ConfigError."""
    rules = read_rules_as(CleanRules, run["config"], list(map(_with_section, overrides)), path)
    try:
        test_sets = [TypeAdapter(TestSet).validate_python(guess_section(one)) for one in against]
    except ValueError as e:
        raise ConfigError(f"--against {message_of(e)}") from e
    hygiene = rules.hygiene.model_copy(update={"against": (*rules.hygiene.against, *test_sets)})
    return rules.model_copy(update={"hygiene": hygiene})


def _with_section(override: str) -> str:
    key = override.partition("=")[0].partition(".")[0]
    return f"hygiene.{override}" if key in HygieneConfig.model_fields else override
