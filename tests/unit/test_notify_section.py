"""Receivers in a sweep file: what may stand there, and what only the environment knows."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from db.errors import EnvironmentProblem
from orchestrator.notifying.receivers import receivers_of, variables_of
from orchestrator.sweepfile.notify import Hook

SECRETS = {"HOOK": "https://hooks.example.org/services/T0KEN", "SECRET": "s3cret\n", "HOME": "/root"}


def test_what_is_secret_comes_from_the_environment_and_does_not_stay_there() -> None:
    environment = dict(SECRETS)
    hooks = [
        Hook(url="https://example.org/events", secret_env="SECRET", events=["sweep_finished"]),
        Hook(url_env="HOOK", secret_env="SECRET"),
        Hook(url="http://hooks.example.org/other"),
    ]
    first, second, third = receivers_of(hooks, environment)
    assert (first.name, first.secret, first.events) == ("example.org", b"s3cret", {"sweep_finished"})
    assert (second.name, second.url) == ("hooks.example.org", SECRETS["HOOK"])
    assert second.events == {"trial_failed", "trial_stopped", "sweep_finished", "sweep_stopped"}
    assert (third.name, third.secret) == ("hooks.example.org#2", None)
    assert environment == {"HOME": "/root"}, "trials inherit the rest"
    assert "T0KEN" not in repr(second)
    assert "s3cret" not in repr(second)
    assert variables_of(hooks) == ("SECRET", "HOOK")


def test_every_variable_that_is_missing_is_named_and_none_is_shown() -> None:
    hooks = [Hook(url_env="NOWHERE", secret_env="EMPTY"), Hook(url_env="BAD")]
    with pytest.raises(EnvironmentProblem) as caught:
        receivers_of(hooks, {"EMPTY": " ", "BAD": "ftp://example.org/T0KEN"})
    assert str(caught.value).splitlines()[1:] == [
        "  notify[0].url_env: the environment variable NOWHERE is not set, or empty",
        "  notify[0].secret_env: the environment variable EMPTY is not set, or empty",
        "  notify[1].url_env: the environment variable BAD is no URL that begins with https:// or http://",
    ]


@pytest.mark.parametrize(
    ("hook", "reason"),
    [
        ({}, "needs exactly one of `url` and `url_env`"),
        ({"url": "https://example.org", "url_env": "HOOK"}, "needs exactly one of `url` and `url_env`"),
        ({"url": "https://example.org/?token=1"}, "has a query, which may be a secret"),
        ({"url": "https://me:pass@example.org/"}, "has a user name or a fragment"),
        ({"url": "file:///etc/passwd"}, "begins with https:// or http://"),
        ({"url": "http://"}, "is no URL of a host"),
        ({"url": f"http://{'a' * 254}"}, "is no URL of a host"),
        ({"url": "http://example.org/a b"}, "is no URL of a host"),
        ({"url": "http://[::1"}, "is no URL"),
        ({"url": "http://example.org:99999"}, "is no URL"),
        ({"url_env": "hooks.example.org/T0KEN"}, "is not the name of an environment variable"),
        ({"url": "https://example.org", "events": []}, "at least 1"),
        ({"url": "https://example.org", "events": ["trial_died"]}, "trial_succeeded"),
    ],
)
def test_what_can_tell_nobody_is_refused(hook: dict[str, object], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason.replace("[", r"\[").replace("?", r"\?")):
        Hook.model_validate(hook)
