"""What every section of the settings is made of."""

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Bps = Annotated[float, Field(ge=0.0, le=10_000.0)]
Venue = Annotated[str, Field(pattern=r"^[a-z0-9_]{1,20}$")]
Reload = Literal["hot", "restart"]


class Section(BaseModel):
    """Base of every section: unknown keys are errors, nothing changes later, no NaN or infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, str_strip_whitespace=True)
    reload: ClassVar[Reload] = "restart"
    needs_restart: ClassVar[tuple[str, ...]] = ()
