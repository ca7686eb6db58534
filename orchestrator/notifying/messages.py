"""What a receiver reads: an event as JSON, with a sentence for people."""

from __future__ import annotations

import json
from importlib.metadata import version

from db.states import AttemptState
from db.sweep_events import SweepEvent

_LONGEST_MESSAGE = 1000
_ENDS = {
    "trial_succeeded": "has succeeded",
    "trial_stopped": "was stopped by a health gate",
    "trial_failed": "has failed",
    "trial_cancelled": "was cancelled",
}


def body_of(event: SweepEvent) -> bytes:
    """The event as JSON. Its `id` is the same whenever it is told, and no other event's."""
    values = {
        "id": f"{event.sweep}@{event.at:%Y%m%dT%H%M%S.%f}/{event.number}",
        "event": event.name,
        "time": event.at.isoformat(timespec="microseconds"),
        "text": _sentence(event),
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


def _sentence(event: SweepEvent) -> str:
    """The event as somebody would say it."""
    if event.trials is not None:
        counts = ", ".join(f"{number} {state}" for state, number in event.trials.items())
        if event.name == "sweep_finished":
            return f"{event.sweep}: every trial has an end ({counts})."
        return f"{event.sweep}: nothing launches its trials any more ({counts}). {event.message}"
    reason = event.outcome or event.failure_class
    because = f" ({reason})" if reason else ""
    message = f": {_shortened(event.message)}" if event.message else "."
    return f"{event.sweep}: {_what_happened(event)}{because}{message}"


def _what_happened(event: SweepEvent) -> str:
    trial = f"trial {event.trial_id} ({event.model}, seed {event.seed})"
    if event.name in _ENDS:
        return f"{trial} {_ENDS[event.name]}"
    return f"attempt {event.attempt} of {trial} {'was lost' if event.state == AttemptState.LOST else 'has failed'}"


def _shortened(text: str | None) -> str | None:
    if text is None or len(text) <= _LONGEST_MESSAGE:
        return text
    return f"{text[: _LONGEST_MESSAGE - 3]}..."
