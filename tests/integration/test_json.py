"""`--json` of a finished run, of one of its trees, and of its evaluation."""

import json

from tests.conftest import Berry, Finished


def test_a_run_and_one_of_its_trees(here: Berry, finished: Finished) -> None:
    shown = json.loads(here("show", finished.out, "--limit", "3", "--json").stdout)
    assert shown["state"] == "complete"
    assert shown["committed"]["problems"] == 24
    assert f"survivors  {shown['committed']['kept']} traces" in finished.stdout
    assert len(shown["problems"]) == 3
    assert shown["cluster"]["last_commit"] is not None
    assert shown["cluster"]["open_leases"] == 0

    wanted = shown["problems"][0]
    tree = json.loads(here("show", finished.out, wanted["problem_id"][:12], "--json").stdout)
    text = here("show", finished.out, wanted["problem_id"][:12], "--all").stdout
    assert tree["problem_id"] == wanted["problem_id"]
    assert len(tree["trajectories"]) == wanted["rollouts"]
    assert sum(one["kept"] for one in tree["trajectories"]) == wanted["kept"]
    assert f"gold: {tree['gold']}" in text
    for node in tree["nodes"][1:]:
        assert f"{node['passes']}/{node['trials']}" in text


def test_an_evaluation(here: Berry, finished: Finished) -> None:
    asked = ("eval", finished.out, "--with", "pass@k", "--output", "figures")
    said, done = here(*asked), here(*asked, "--json")
    assert said.returncode == done.returncode
    if done.returncode:
        assert said.stderr == done.stderr
        return
    found = json.loads(done.stdout)
    assert {one["figure"] for one in found["figures"]} == {"accuracy"}
    assert found["files"]
