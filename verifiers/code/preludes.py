"""Source that runs before a program which takes names for granted, as sites for programming do."""

from verifiers.code.python_text import last_line_of_future

PRELUDES = {
    "leetcode": """\
from bisect import *
from collections import *
from copy import *
from functools import *
from heapq import *
from itertools import *
from math import *
from string import *
from typing import *
from builtins import *
import bisect, collections, copy, datetime, functools, heapq, itertools, json, math, operator
import random, re, statistics, string, sys, time, typing
""",
}
"""Name -> source. Modules of the same name as a function win, and no module hides a builtin."""


def with_prelude(code: str, prelude: str) -> str:
    """The program behind the prelude; what has to come first in a file stays there."""
    if not prelude:
        return code
    lines, num_first = code.split("\n"), last_line_of_future(code)
    return "\n".join([*lines[:num_first], prelude.rstrip(), "", *lines[num_first:]])
