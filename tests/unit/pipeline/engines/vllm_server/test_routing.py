from pipeline.engines.vllm_server import routing
from pipeline.engines.vllm_server.routing import Routing, Server


def make_routing(num_servers: int = 2, most: int = 2) -> Routing:
    made = Routing([f"http://s{n}" for n in range(num_servers)], most)
    for server in made.servers:
        server.is_up = True
    return made


def take(made: Routing, tree: int | None) -> Server:
    server = made.choose(tree)
    assert server is not None
    server.num_under_way += 1
    return server


def test_a_tree_stays_on_its_server() -> None:
    made = make_routing()
    home = take(made, 1)
    home.num_under_way = 1
    assert made.choose(1) is home


def test_a_new_tree_goes_to_the_least_loaded_server() -> None:
    made = make_routing(most=10)
    chosen = [take(made, tree).address for tree in range(4)]
    assert chosen == ["http://s0", "http://s1"] * 2
    # Without requests under way, to the one with fewer trees.
    for server in made.servers:
        server.num_under_way = 0
    assert take(made, 4) is made.servers[0]
    made.servers[0].num_under_way = 0
    assert take(made, 5) is made.servers[1]


def test_a_full_home_spills_and_stays_the_home() -> None:
    made = make_routing()
    home = take(made, 1)
    home.num_under_way = 2
    other = take(made, 1)
    assert other is not home
    home.num_under_way = 1
    assert made.choose(1) is home


def test_a_home_that_is_down_is_replaced_for_good() -> None:
    made = make_routing()
    home = take(made, 1)
    home.is_up = False
    other = take(made, 1)
    assert other is not home
    home.is_up = True
    home.num_under_way = 0
    assert made.choose(1) is other


def test_full_or_down_servers_are_not_chosen() -> None:
    made = make_routing()
    first, second = made.servers
    first.is_up, second.num_under_way = False, 2
    assert made.choose(1) is None
    assert made.choose(None) is None
    second.num_under_way = 1
    assert made.choose(None) is second


def test_homes_that_are_too_many_are_forgotten(monkeypatch: object) -> None:
    made = make_routing(most=10**6)
    monkeypatch.setattr(routing, "_MOST_HOMES", 10)  # type: ignore[attr-defined]
    for tree in range(50):
        take(made, tree)
    assert len(made._homes) == 10
    assert sum(made._num_homes.values()) == 10
