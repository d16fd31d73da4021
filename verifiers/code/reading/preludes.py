"""Source that runs before programs that rely on predefined names, as on programming sites."""

from verifiers.code.reading.python_text import last_line_of_future

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
"""Name -> source. For a module and a function of the same name the module wins; builtins stay
visible."""


def with_prelude(code: str, prelude: str) -> str:
    """The program after the prelude; lines that must come first in a file stay there."""
    if not prelude:
        return code
    lines, num_first = code.split("\n"), last_line_of_future(code)
    return "\n".join([*lines[:num_first], prelude.rstrip(), "", *lines[num_first:]])
