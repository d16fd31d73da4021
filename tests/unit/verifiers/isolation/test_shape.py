"""A class that is not a verifier is refused before a run, in one line that says what it lacks."""

from typing import Any

import pytest
from pydantic import BaseModel

from verifiers.catalog import VERIFIER
from verifiers.isolation.border import Border, NotAVerifier
from verifiers.isolation.shape import complaint
from verifiers.traits import Traits, read_traits


class Good:
    class Config(BaseModel, extra="forbid"):
        pass

    name, version = "good", "1"

    def __init__(self, config: Any = None) -> None:
        pass

    def verify(self, prompt: str, response: str, target: object) -> None:
        """Never called."""


class OtherNames(Good):
    async def verify(self, question: str, text: str, gold: object, extra: int = 0) -> None:  # type: ignore[override]  # as users may write it
        """Positions count, names do not."""


class Loose(Good):
    def verify(self, *arguments: object, **options: object) -> None:
        """It takes anything."""


class Static(Good):
    @staticmethod
    def verify(prompt: str, response: str, target: object) -> None:
        """It needs no object."""


class OfClass(Good):
    @classmethod
    def verify(cls, prompt: str, response: str, target: object) -> None:
        """It needs only the class."""


class NamedLater(Good):
    name = version = None  # type: ignore[assignment]  # until it is built

    def __init__(self, config: Any = None) -> None:
        self.name, self.version = "later", "2"


class ByProperty(Good):
    @property
    def name(self) -> str:  # type: ignore[override]  # a property
        return "found"

    @property
    def target_kinds(self) -> tuple[str, ...]:
        return ("a",)


class TwoArguments(Good):
    def verify(self, prompt: str, response: str) -> None:  # type: ignore[override]  # wrong on purpose
        """One parameter too few."""


class FourArguments(Good):
    def verify(self, prompt: str, response: str, target: object, more: int) -> None:  # type: ignore[override]  # wrong on purpose
        """One parameter too many."""


class ByKeyword(Good):
    def verify(self, prompt: str, response: str, target: object, *, must: int) -> None:  # type: ignore[override]  # wrong on purpose
        """It cannot be called by position."""


class StaticTwo(Good):
    @staticmethod
    def verify(response: str, target: object) -> None:  # type: ignore[override]  # wrong on purpose
        """One parameter too few."""


class NoMethod(Good):
    verify = "yes"  # type: ignore[assignment]  # wrong on purpose


class StartNeeds(Good):
    async def start(self, loop: object) -> None:
        """Nothing passes this parameter."""


class CloseNeeds(Good):
    def close(self, hard: bool) -> None:
        """Nothing passes this parameter."""


class NoStart(Good):
    start = 5


class NumberVersion(Good):
    version = 3  # type: ignore[assignment]  # wrong on purpose


class EmptyName(Good):
    name = ""


class OneKind(Good):
    target_kinds = "math"


class SandboxByWord(Good):
    uses_sandbox = "yes"


class Bare:
    """Names nothing but what it does."""

    class Config(BaseModel, extra="forbid"):
        pass

    def __init__(self, config: Any = None) -> None:
        pass

    def verify(self, prompt: str, response: str, target: object) -> None:
        """Never called."""


class NoConfig:
    name, version = "none", "1"

    def verify(self, prompt: str, response: str, target: object) -> None:
        """Never called."""


@pytest.mark.parametrize(
    "cls", [Good, OtherNames, Loose, Static, OfClass, NamedLater, ByProperty, Bare]
)
def test_what_can_be_called_is_taken(cls: type[Good]) -> None:
    assert complaint(cls) is None
    assert complaint(cls()) is None


@pytest.mark.parametrize(
    ("cls", "said"),
    [
        (TwoArguments, "`verify(self, prompt, response, target)`, got `verify(self, prompt: str"),
        (FourArguments, "more: int)`"),
        (ByKeyword, "must: int"),
        (StaticTwo, "got `verify(response: str"),
        (NoMethod, "to have a method `verify(self, prompt, response, target)`"),
        (StartNeeds, "a method `start(self)` that needs nothing else, got `start(self, loop"),
        (CloseNeeds, "a method `close(self)` that needs nothing else, got `close(self, hard"),
        (NoStart, "a method `start(self)` that needs nothing else, got `5`"),
        (NumberVersion, "`version`, a text, got 3"),
        (EmptyName, "`name`, a text, got ''"),
        (OneKind, "`target_kinds`, a tuple of texts or None for any kind, got 'math'"),
        (SandboxByWord, "to have `uses_sandbox`, True or False, got 'yes'"),
        (NoConfig, "to be a class with a pydantic model `Config`"),
    ],
)
def test_what_cannot_be_called_is_refused_with_its_name(cls: type[Any], said: str) -> None:
    use = f"{__name__}:{cls.__name__}"
    with pytest.raises(ValueError, match="expected") as refused:
        VERIFIER.part({"use": use})
    assert use in str(refused.value)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_class_without_attributes_gets_the_defaults() -> None:
    assert read_traits(Bare()) == read_traits(Bare)
    assert read_traits(Bare) == Traits(name="Bare", version="0", target_kinds=None, uses_sandbox=False)


def test_what_is_known_once_a_verifier_is_built_is_not_read_from_its_class() -> None:
    assert (read_traits(ByProperty).name, read_traits(ByProperty).target_kinds) == ("ByProperty", None)
    assert (read_traits(ByProperty()).name, read_traits(ByProperty()).target_kinds) == ("found", ("a",))
    assert (read_traits(NamedLater()).name, read_traits(NamedLater()).version) == ("later", "2")


@pytest.mark.parametrize(
    "cls", [TwoArguments, NoMethod, StartNeeds, NumberVersion, OneKind, SandboxByWord]
)
def test_an_object_is_refused_as_its_class_is(cls: type[Any]) -> None:
    with pytest.raises(NotAVerifier, match=f"expected {cls.__name__} to have"):
        Border(cls())


def test_a_verifier_without_a_name_is_refused_when_it_is_built() -> None:
    class Nameless(Good):
        name = None  # type: ignore[assignment]  # wrong on purpose

    with pytest.raises(NotAVerifier, match="`name`, a text, got none"):
        Border(Nameless())  # type: ignore[arg-type]  # wrong on purpose
