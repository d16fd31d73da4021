"""Presets for the rows of common sets of programming problems on the Hugging Face Hub.

A preset names the columns that it reads, and converts a row to a target for the verifier `code`. The
caller checks the target.
"""

from pipeline.problems.programs.contests import read_codecontests, read_codeforces, read_input_output
from pipeline.problems.programs.functions import read_bigcodebench, read_kodcode, read_mbpp
from pipeline.problems.programs.livecodebench import read_livecodebench
from pipeline.problems.programs.shape import Options, ProgramPreset

PROGRAM_PRESETS = {
    "apps": ProgramPreset(
        prompts=("question",),
        golds=("input_output", "solutions"),
        others=("starter_code",),
        read=read_input_output,
    ),
    "taco": ProgramPreset(
        prompts=("question",),
        golds=("input_output", "solutions"),
        others=("starter_code", "time_limit", "memory_limit"),
        read=read_input_output,
    ),
    "codecontests": ProgramPreset(
        prompts=("description",),
        golds=(
            "public_tests", "private_tests", "generated_tests", "test_cases", "checker", "solutions",
        ),
        others=("time_limit", "memory_limit_bytes", "memory_limit", "input_file", "output_file"),
        read=read_codecontests,
    ),
    "codeforces": ProgramPreset(
        prompts=("description",),
        golds=("official_tests", "generated_tests", "generated_checker", "editorial"),
        others=(
            "input_format", "output_format", "note", "examples", "time_limit", "memory_limit",
            "input_mode", "interaction_format",
        ),
        read=read_codeforces,
    ),
    "livecodebench": ProgramPreset(
        prompts=("question_content",),
        golds=("public_test_cases", "private_test_cases"),
        others=("starter_code", "metadata"),
        read=read_livecodebench,
    ),
    "kodcode": ProgramPreset(
        prompts=("question",),
        golds=("test", "solution"),
        others=("test_info",),
        read=read_kodcode,
    ),
    "mbpp": ProgramPreset(
        prompts=("prompt", "text"),
        golds=("test_list", "code", "challenge_test_list"),
        others=("test_setup_code", "test_imports"),
        read=read_mbpp,
    ),
    "bigcodebench": ProgramPreset(
        prompts=("instruct_prompt", "complete_prompt"),
        golds=("test", "canonical_solution"),
        others=("entry_point", "code_prompt", "complete_prompt"),
        read=read_bigcodebench,
    ),
}  # fmt: skip
"""`problems.preset` -> the reader of its rows."""

__all__ = ["PROGRAM_PRESETS", "Options", "ProgramPreset"]
