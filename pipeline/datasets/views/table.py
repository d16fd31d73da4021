"""The views of a run's data; all others can be derived from `trees`."""

from pipeline.datasets.views.exchange import ATIF, VERIFIERS
from pipeline.datasets.views.majority import MAJORITY
from pipeline.datasets.views.outcomes import OUTCOMES
from pipeline.datasets.views.packed import PACKED
from pipeline.datasets.views.preferences import PREFERENCES
from pipeline.datasets.views.problems import PROBLEMS
from pipeline.datasets.views.step_formats import MATH_SHEPHERD, PRM800K, STEPWISE
from pipeline.datasets.views.steps import STEPS
from pipeline.datasets.views.traces import TRACES
from pipeline.datasets.views.trees import TREES
from pipeline.datasets.views.view import View

_ALL = (
    TRACES,
    STEPS,
    OUTCOMES,
    PREFERENCES,
    PACKED,
    MAJORITY,
    PROBLEMS,
    STEPWISE,
    MATH_SHEPHERD,
    PRM800K,
    ATIF,
    VERIFIERS,
    TREES,
)
VIEWS: dict[str, View] = {view.name: view for view in _ALL}
"""Name -> view, in the order of the dataset card."""
