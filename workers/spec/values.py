"""Kinds of values, and the base class of every part of a specification."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

_TOO_MANY = 2**31  # nothing here is counted in billions, and products of a few such numbers stay finite
_NO_TEXT = re.compile("[\x00\ud800-\udfff]")  # NUL and halves of characters, which no database holds


def _refuse_what_is_no_text(text: str) -> str:
    found = _NO_TEXT.search(text)
    if found:
        raise ValueError(f"holds the character U+{ord(found[0]):04X}, which text may not have")
    return text


Text = Annotated[str, AfterValidator(_refuse_what_is_no_text)]
PositiveInt = Annotated[int, Field(gt=0, lt=_TOO_MANY)]
Count = Annotated[int, Field(ge=0, lt=_TOO_MANY)]
GroupSize = Annotated[int, Field(ge=2, lt=_TOO_MANY)]  # one completion alone has no advantage
PositiveFloat = Annotated[float, Field(gt=0)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]  # what numpy and torch take
Probability = Annotated[float, Field(ge=0, le=1)]
Decay = Annotated[float, Field(ge=0, lt=1)]  # of a running mean, which at 1 would never move


class Strict(BaseModel):
    """A frozen model that refuses unknown keys and silent conversions such as "3" to 3."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
