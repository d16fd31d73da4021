"""Source that runs before a program which takes names for granted, as sites for programming do."""

import re

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
_FUTURE = re.compile(r"^from __future__ import [^\n(]*(?:\([^)]*\)[^\n]*)?\n?", re.M)


def with_prelude(code: str, prelude: str) -> str:
    """The program behind the prelude; what has to come first in a file stays there."""
    if not prelude:
        return code
    first = "".join(one[0].rstrip("\n") + "\n" for one in _FUTURE.finditer(code))
    return f"{first}{prelude.rstrip()}\n\n{_FUTURE.sub('', code) if first else code}"
