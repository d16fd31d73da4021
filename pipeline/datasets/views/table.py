"""The views of a run's data; all others can be derived from `trees`."""

from pipeline.datasets.views.steps import STEPS
from pipeline.datasets.views.traces import TRACES
from pipeline.datasets.views.trees import TREES
from pipeline.datasets.views.view import View

VIEWS: dict[str, View] = {view.name: view for view in (TRACES, STEPS, TREES)}
"""Name -> view, in the order of the dataset card."""
