"""Presets for common sets of programming problems on the Hugging Face Hub."""

from pipeline.problems.programs.presets import PROGRAM_PRESETS
from pipeline.problems.programs.shape import Options, ProgramPreset

__all__ = ["PROGRAM_PRESETS", "Options", "ProgramPreset"]
