"""The config of a run, checked before anything runs.

run_config.py  the whole config, composed of the sections of each part
parts.py       the sections that name a part by `use`
loading.py     reads YAML plus `key=value` into a checked config
overrides.py   applies `key=value`
messages.py    explains a mistake in one line: file, line, key, expected, got
"""

from pipeline.config.cluster_config import ClusterConfig
from pipeline.config.loading import (
    Rules,
    check_config,
    check_section,
    load_config,
    read_labels,
    read_rules,
    read_rules_as,
    read_settings,
    read_yaml_file,
)
from pipeline.config.messages import ConfigError
from pipeline.config.parts import KINDS
from pipeline.config.run_config import LicenseConfig, RunConfig

__all__ = [
    "KINDS",
    "ClusterConfig",
    "ConfigError",
    "LicenseConfig",
    "Rules",
    "RunConfig",
    "check_config",
    "check_section",
    "load_config",
    "read_labels",
    "read_rules",
    "read_rules_as",
    "read_settings",
    "read_yaml_file",
]
