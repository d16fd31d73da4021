"""Parts that a config names: `use: NAME`, then that part's own options.

A name is a built-in one, one that an installed package offers as an entry point, or
`module:Class`. Each class carries its options as a pydantic model `Config`. Nothing registers
itself by being imported. It lies here, below the pipeline, because verifiers are made of parts too.
"""

import importlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.metadata import entry_points
from typing import Any

from pydantic import BaseModel, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from verifiers.mistakes import shown


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """A sort of part, such as strategies."""

    group: str
    """Entry-point group in which packages offer more of them."""
    builtin: Mapping[str, str]
    """Name -> `module:Class`."""
    settings: type[BaseModel] | None = None
    """What every section of this kind takes beside its part's options: how the part is run, which
    does not change what it does."""
    check: Callable[["Part"], None] | None = None
    """Raises ValueError for a part that this kind cannot use."""

    def names(self) -> dict[str, str]:
        """Every known name and where its class is. Raises ValueError for a name claimed twice."""
        known = dict(self.builtin)
        for entry in entry_points(group=self.group):
            if entry.name in known:
                raise ValueError(
                    f"{entry.name!r} is offered twice, as {known[entry.name]} and {entry.value}"
                )
            known[entry.name] = entry.value
        return known

    def find(self, use: str) -> type[Any]:
        """The class that `use` names. Raises ValueError, with the names there are."""
        known = self.names()
        path = use if ":" in use else known.get(use)
        if path is None:
            near = get_close_matches(use, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ValueError(
                f"expected one of {', '.join(sorted(known))}, or module:Class, got {use!r}{hint}"
            )
        module_name, _, class_name = path.partition(":")
        try:
            found = getattr(importlib.import_module(module_name), class_name)
        except (Exception, SystemExit) as e:
            # The module may be anybody's, and break in any way.
            raise ValueError(f"{use!r} cannot be imported: {type(e).__name__}: {e}") from e
        config = getattr(found, "Config", None)
        checked = isinstance(config, type) and issubclass(config, BaseModel)
        if not (isinstance(found, type) and checked):
            raise ValueError(f"expected {use!r} to be a class with a pydantic model `Config`")
        return found

    def options(self, use: str) -> set[str]:
        """The keys that a section may have beside `use`. Raises ValueError as `find` does."""
        own = set(self.find(use).Config.model_fields)
        return own | set(self.settings.model_fields if self.settings else ())

    def part(self, raw: object) -> "Part":
        """Checks a config section. Raises ValueError or pydantic's ValidationError."""
        if isinstance(raw, Part):
            return raw
        if not isinstance(raw, Mapping) or not isinstance(raw.get("use"), str):
            raise ValueError(f"expected `use: NAME` and options, got {shown(raw)}")
        found = self.find(raw["use"])
        options = {key: value for key, value in raw.items() if key != "use"}
        settings = self._take_settings(found, options)
        try:
            options = found.Config.model_validate(options)
        except (TypeError, KeyError, AttributeError) as e:
            # Of a validator of the user's own, which should have raised ValueError.
            raise ValueError(
                f"the options of {raw['use']!r} cannot be checked: {type(e).__name__}: {e}"
            ) from e
        part = Part(use=raw["use"], cls=found, options=options, settings=settings)
        if self.check is not None:
            self.check(part)
        return part

    def _take_settings(self, found: type[Any], options: dict[str, Any]) -> BaseModel | None:
        """Moves what is the kind's out of what is the part's."""
        if self.settings is None:
            return None
        shared = self.settings.model_fields.keys()
        if both := sorted(shared & found.Config.model_fields.keys()):
            raise ValueError(
                f"expected `Config` without {both[0]!r}, which every section has; rename it"
            )
        taken = {key: options.pop(key) for key in shared if key in options}
        return self.settings.model_validate(taken)


@dataclass(frozen=True, slots=True)
class Part:
    """A named class with its checked options, ready to be built."""

    use: str
    cls: type[Any]
    options: BaseModel
    settings: BaseModel | None = None
    """How it is run; None if its kind has no such settings."""

    def build(self, *arguments: object) -> Any:
        """The part itself: the class called with its options and `arguments`."""
        return self.cls(self.options, *arguments)

    def dump(self) -> dict[str, Any]:
        """What determines what the part does, as plain JSON values, defaults included."""
        return {"use": self.use, **self.options.model_dump(mode="json")}

    def nested(self) -> Iterator["Part"]:
        """This part and the parts that its options are made of."""
        yield self
        waiting = list(dict(self.options).values())
        while waiting:
            value = waiting.pop(0)
            if isinstance(value, Part):
                yield from value.nested()
            elif isinstance(value, Mapping):
                waiting += value.values()
            elif isinstance(value, list | tuple):
                waiting += value


@dataclass(frozen=True, slots=True)
class PartOf:
    """Annotation of a pydantic field: `Annotated[Part, PartOf(kind)]`."""

    kind: Kind

    def __get_pydantic_core_schema__(self, _: Any, __: GetCoreSchemaHandler) -> CoreSchema:
        """Validates by `Kind.part`, serializes by `Part.dump`."""
        return core_schema.no_info_plain_validator_function(
            self.kind.part,
            serialization=core_schema.plain_serializer_function_ser_schema(Part.dump),
        )
