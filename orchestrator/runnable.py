"""Whether this version can do all that a sweep file asks for; `plan` says what it cannot, `submit` refuses it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from db.errors import SpecError
from orchestrator.sweepfile.loading import LoadedSweep
from workers.spec import TrialSpec
from workers.unsupported import unsupported

_LOOKED_AT = tuple(name for name in TrialSpec.model_fields if name != "seed")
_DETAILS = ("loss.", "evaluations.")  # named after what is plainer
_NAMED = 4  # settings that one line has room for
_LONGEST_VALUE = 20
_NAME_AND_VALUE = re.compile(r"(?P<name>\S+)(?: \((?P<value>.*)\))?.*", re.DOTALL)


def check_runnable(loaded: LoadedSweep) -> None:
    """Raise SpecError with everything that would otherwise be passed over in silence."""
    reasons = reasons_against(loaded)
    if reasons:
        listed = "\n".join(f"  {reason}" for reason in reasons)
        raise SpecError(f"{loaded.source.name} asks for what this version cannot run; `rlsweep plan` can:\n{listed}")


def reasons_against(loaded: LoadedSweep, specs: Iterable[TrialSpec] | None = None) -> list[str]:
    """A sentence for each thing that this version cannot run, each once; it begins with the setting's name.

    `specs` are what its trials come to; those of the file, unless told.
    """
    if specs is None:
        # Trials that differ in their seed alone share all else.
        specs = {tuple(id(getattr(t.spec, name)) for name in _LOOKED_AT): t.spec for t in loaded.trials}.values()
    reasons = dict.fromkeys(reason for spec in specs for reason in unsupported(spec))
    return list(reasons)


def shortened(reasons: Sequence[str]) -> str:
    """The settings that reasons begin with, each once with its values, the first few: `algorithm (dapo, gspo)`."""
    values: dict[str, list[str]] = {}
    for reason in reasons:
        found = _NAME_AND_VALUE.fullmatch(reason)
        assert found is not None
        of_name = values.setdefault(found["name"], [])
        if found["value"] and len(found["value"]) <= _LONGEST_VALUE:
            of_name.append(found["value"])
    ordered = sorted(values.items(), key=lambda item: item[0].startswith(_DETAILS))
    named = [f"{name} ({_listed(of_name)})" if of_name else name for name, of_name in ordered]
    more = len(named) - _NAMED
    return ", ".join(named[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _listed(values: Sequence[str]) -> str:
    return ", ".join(values) if len(values) <= 3 else f"{values[0]}, {values[1]}, ... {values[-1]}"
