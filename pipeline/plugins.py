"""Parts of a run that a config names: `use: NAME`, then that part's own options.

A name is a built-in one, one that an installed package offers as an entry point, or
`module:Class`. Each class carries its options as a pydantic model `Config`. Nothing registers
itself by being imported.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.metadata import entry_points
from typing import Any

from pydantic import BaseModel, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema


@dataclass(frozen=True, slots=True)
class Kind:
    """A sort of part, such as strategies."""

    group: str
    """Entry-point group in which packages offer more of them."""
    builtin: Mapping[str, str]
    """Name -> `module:Class`."""

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
        except (ImportError, AttributeError) as e:
            raise ValueError(f"{use!r} cannot be imported: {e}") from e
        if not (isinstance(found, type) and issubclass(getattr(found, "Config", object), BaseModel)):
            raise ValueError(f"expected {use!r} to be a class with a pydantic model `Config`")
        return found

    def part(self, raw: object) -> "Part":
        """Checks a config section. Raises ValueError or pydantic's ValidationError."""
        if isinstance(raw, Part):
            return raw
        if not isinstance(raw, Mapping) or not isinstance(raw.get("use"), str):
            raise ValueError(f"expected `use: NAME` and options, got {raw!r}")
        found = self.find(raw["use"])
        options = {key: value for key, value in raw.items() if key != "use"}
        return Part(use=raw["use"], cls=found, options=found.Config.model_validate(options))


@dataclass(frozen=True, slots=True)
class Part:
    """A named class with its checked options, ready to be built."""

    use: str
    cls: type[Any]
    options: BaseModel

    def build(self, *arguments: object) -> Any:
        """The part itself: the class called with its options and `arguments`."""
        return self.cls(self.options, *arguments)

    def dump(self) -> dict[str, Any]:
        """The section as plain JSON values, defaults included."""
        return {"use": self.use, **self.options.model_dump(mode="json")}


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
