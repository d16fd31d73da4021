"""What needs no server; tests/real_engines/test_servers.py has the rest."""

import pytest
from pydantic import ValidationError

from pipeline.engines import (
    EngineDied,
    EngineStartError,
    Observable,
    PromptFormat,
    ReportsLoad,
    Updatable,
)
from pipeline.engines.vllm_server import VllmServerEngine
from pipeline.engines.vllm_server.engine import _name_of_model


def config(*addresses: str, **options: object) -> VllmServerEngine.Config:
    return VllmServerEngine.Config.model_validate({"model": "m", "addresses": addresses, **options})


def test_addresses_are_those_of_the_servers() -> None:
    found = config("http://one:8000/", "https://two/v1", "http://three:1/v1/")
    assert found.addresses == ("http://one:8000", "https://two", "http://three:1")


@pytest.mark.parametrize(
    ("addresses", "complaint"),
    [
        ((), "at least 1 item"),
        (("one:8000",), "such as http://host:8000, got 'one:8000'"),
        (("http://one/path",), "got 'http://one/path'"),
        (("http://one:1", "http://one:1/v1"), "each server once, got http://one:1 twice"),
    ],
)
def test_other_addresses_are_refused(addresses: tuple[str, ...], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        config(*addresses)


def test_the_servers_name_of_the_model_is_found() -> None:
    listed = {"data": [{"id": "lora", "root": "x"}, {"id": "alias", "root": "m"}]}
    assert _name_of_model(config("http://one"), listed) == "alias"
    assert _name_of_model(config("http://one", served_model="lora"), listed) == "lora"
    with pytest.raises(ValueError, match=r"expected a server of m, got one of lora; set engine.served"):
        _name_of_model(config("http://one"), {"data": listed["data"][:1]})
    with pytest.raises(ValueError, match="got one of no model"):
        _name_of_model(config("http://one"), "<html>")


async def test_before_the_start_it_is_dead() -> None:
    engine = VllmServerEngine(config("http://one"), PromptFormat())
    assert isinstance(engine, Observable)
    assert isinstance(engine, Updatable)
    assert isinstance(engine, ReportsLoad)
    with pytest.raises(EngineDied, match="has not started"):
        await engine.update_weights("other")


async def test_a_model_that_is_not_there_is_named() -> None:
    for model in ("./nowhere", "a/b/c"):
        engine = VllmServerEngine(config("http://one", model=model), PromptFormat())
        with pytest.raises(
            EngineStartError, match=f"expected a model folder, but {model} does not exist"
        ):
            await engine.start()
