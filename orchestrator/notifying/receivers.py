"""Whom a driver tells: the receivers of a sweep file, with what only the environment knows of them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from db.errors import EnvironmentProblem
from orchestrator.sweepfile.notify import Hook, reason_against_url


@dataclass(frozen=True)
class Receiver:
    """`name` is its host and port, which may be shown and stored; URL and secret may not."""

    name: str
    events: frozenset[str]
    url: str = field(repr=False)
    secret: bytes | None = field(repr=False)


def receivers_of(hooks: Sequence[Hook], environment: MutableMapping[str, str] = os.environ) -> list[Receiver]:
    """The receivers, in order. Raises EnvironmentProblem naming every variable that is not there, or is no URL.

    The variables are taken out of the environment: trials inherit it, and what a policy says may run there.
    """
    problems: list[str] = []

    def value(place: str, variable: str | None) -> str | None:
        found = environment.get(variable, "").strip() if variable else None
        if found == "":
            problems.append(f"{place}: the environment variable {variable} is not set, or empty")
        return found

    found = []
    names: Counter[str] = Counter()
    for number, hook in enumerate(hooks):
        place = f"notify[{number}]"
        url = hook.url or value(f"{place}.url_env", hook.url_env)
        secret = value(f"{place}.secret_env", hook.secret_env)
        reason = url and reason_against_url(url)
        if reason:
            problems.append(f"{place}.url_env: the environment variable {hook.url_env} {reason}")
        if url and not reason:
            names[_host(url)] += 1
            found.append(
                Receiver(_name(url, names), frozenset(hook.events), url, os.fsencode(secret) if secret else None)
            )
    if problems:
        raise EnvironmentProblem("Nobody can be told of this sweep:\n" + "\n".join(f"  {each}" for each in problems))
    for variable in variables_of(hooks):
        environment.pop(variable, None)
    return found


def variables_of(hooks: Sequence[Hook]) -> tuple[str, ...]:
    """The environment variables that a driver of the sweep must have."""
    named = (name for hook in hooks for name in (hook.url_env, hook.secret_env) if name)
    return tuple(dict.fromkeys(named))


def _name(url: str, names: Counter[str]) -> str:
    host = _host(url)
    return host if names[host] == 1 else f"{host}#{names[host]}"


def _host(url: str) -> str:
    return urlsplit(url).netloc.lower()
