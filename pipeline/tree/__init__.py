"""The tree of one problem's rollouts, exact to the token.

A node holds the token ids exactly as sampled, and a prefix is the path of nodes from the root: nothing
is ever tokenised again. Unknown values are None: a node without trials has no value, not 0.
"""

from pipeline.tree.nodes import ROOT, Finish, Node, Rollout, Stats, Step
from pipeline.tree.tree import Tree

__all__ = ["ROOT", "Finish", "Node", "Rollout", "Stats", "Step", "Tree"]
