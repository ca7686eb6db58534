"""What a receiver reads: an event as JSON, with a sentence for people."""

from __future__ import annotations

import json
from datetime import UTC
from importlib.metadata import version

from db.sweep_events import SweepEvent

_LONGEST_MESSAGE = 1000
_ENDS = {
    "trial_succeeded": "has succeeded",
    "trial_stopped": "was stopped by a health gate",
    "trial_failed": "has failed",
    "trial_cancelled": "was cancelled",
}


def body_of(event: SweepEvent) -> bytes:
    """The same bytes whenever the event is told."""
    values = {
        "id": event.number,
        "event": event.name,
        "time": event.at.astimezone(UTC).isoformat(),
        "text": sentence(event),
        "sweep": event.sweep,
        "trial": event.trial_id,
        "attempt": event.attempt,
        "model": event.model,
        "seed": event.seed,
        "state": event.state,
        "class": event.failure_class,
        "outcome": event.outcome,
        "message": _shortened(event.message),
        "trials": event.trials,
        "rlsweep_version": version("rlsweep"),
    }
    return json.dumps(values).encode()


def sentence(event: SweepEvent) -> str:
    """The event as somebody would say it."""
    if event.trials is not None:
        counts = ", ".join(f"{number} {state}" for state, number in event.trials.items())
        if event.name == "sweep_finished":
            return f"{event.sweep}: every trial has an end ({counts})."
        return f"{event.sweep}: nothing launches its trials any more ({counts}). {event.message}"
    which = f"{event.sweep}: trial {event.trial_id} ({event.model}, seed {event.seed})"
    reason = event.outcome or event.failure_class
    because = f" ({reason})" if reason else ""
    what = _ENDS.get(event.name) or f"lost its attempt {event.attempt}"
    told = _shortened(event.message)
    return f"{which} {what}{because}{f': {told}' if told else '.'}"


def _shortened(text: str | None) -> str | None:
    if text is None or len(text) <= _LONGEST_MESSAGE:
        return text
    return f"{text[: _LONGEST_MESSAGE - 3]}..."
