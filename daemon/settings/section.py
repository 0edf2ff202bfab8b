"""What every section of the settings is made of, and which of its fields may change while a run goes on."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Bps = Annotated[float, Field(ge=0.0, le=10_000.0)]
Venue = Annotated[str, Field(pattern=r"^[a-z0-9_]{1,20}$")]
Reload = Literal["hot", "restart"]

RELOAD_IN_WORDS: Final[Mapping[Reload, str]] = {
    "hot": "May change while it runs",
    "restart": "A change needs a restart",
}


def _state_reload(schema: dict[str, Any], section: "type[Section]") -> None:
    """Say in the JSON Schema, which editors show, what a change of each field needs."""
    for name, field in schema.get("properties", {}).items():
        reload = section.reload_of(name)
        if "$ref" in field:
            continue  # a section of its own, which says so of its fields
        field["x-reload"] = reload
        field["description"] = f"{field.get('description', '')} {RELOAD_IN_WORDS[reload]}.".strip()


class Section(BaseModel):
    """Base of every section: unknown keys are errors, nothing changes later, no NaN or infinity.

    Attributes:
        reload: What a change needs, of every field but those of `hot` and `needs_restart`.
        hot: Fields of a section that needs a restart which may change while a run goes on all the same.
        needs_restart: Fields of a hot section that need a restart all the same.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        str_strip_whitespace=True,
        json_schema_extra=_state_reload,
    )
    reload: ClassVar[Reload] = "restart"
    hot: ClassVar[tuple[str, ...]] = ()
    needs_restart: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def reload_of(cls, field: str) -> Reload:
        """Say what a change of one of the fields needs."""
        if field in cls.hot:
            return "hot"
        return "restart" if field in cls.needs_restart else cls.reload
