"""Decides which server gets a request; no I/O, no clock.

All requests of a tree go to its home, which has the tree's prefix in its cache. A new tree's home is
the server with the fewest requests under way. While the home is full, its requests go to the least
loaded other server; if it is down, the tree gets a new home.
"""

from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

_MOST_HOMES = 100_000
"""Trees whose home is remembered. A tree is under way for minutes, and this many take hours."""


@dataclass(slots=True, eq=False)
class Server:
    """One server and its state."""

    address: str
    is_up: bool = False
    num_under_way: int = 0
    """Requests that it has not answered yet."""
    version: str | None = None
    """The weights that it has; None if it has not been checked."""
    has_unknown_weights: bool = False
    """Whether it could load neither new weights nor the old ones again."""
    gives_versions: bool = False
    """Whether its answers name the weights."""
    why_down: str = "not reached yet"


class Routing:
    """Servers, and the home of each tree."""

    def __init__(self, addresses: Sequence[str], most_under_way: int) -> None:
        self.servers = [Server(address) for address in addresses]
        self._most_under_way = most_under_way
        self._homes: OrderedDict[int, Server] = OrderedDict()
        self._num_homes: Counter[str] = Counter()

    def choose(self, tree: int | None) -> Server | None:
        """The server for a request; None if every server is down or full."""
        home = None if tree is None else self._homes.get(tree)
        free = [s for s in self.servers if s.is_up and s.num_under_way < self._most_under_way]
        if home in free:
            return home
        if not free:
            return None
        chosen = min(free, key=lambda s: (s.num_under_way, self._num_homes[s.address]))
        if tree is not None and (home is None or not home.is_up):
            self._settle(tree, chosen)
        return chosen

    def _settle(self, tree: int, server: Server) -> None:
        if (before := self._homes.pop(tree, None)) is not None:
            self._num_homes[before.address] -= 1
        self._homes[tree] = server
        self._num_homes[server.address] += 1
        if len(self._homes) > _MOST_HOMES:
            _, forgotten = self._homes.popitem(last=False)
            self._num_homes[forgotten.address] -= 1
