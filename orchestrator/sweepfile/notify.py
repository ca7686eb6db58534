"""The section `notify` of a sweep file: who is told of what, by HTTP. It is no place for secrets.

The file's text is kept in the database, so a URL that lets whoever knows it write somewhere, and the secret that
messages are signed with, are named here by the environment variables that hold them.
"""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, field_validator, model_validator

from workers.spec import Strict, Text

_LONGEST_HOST = 253  # by RFC 1035

EventName = Literal[
    "trial_succeeded",
    "trial_stopped",
    "trial_failed",
    "trial_cancelled",
    "attempt_failed",
    "sweep_finished",
    "sweep_stopped",
]


def _is_variable(name: str) -> str:
    if not (name.isascii() and name.isidentifier()):
        raise ValueError("is not the name of an environment variable: letters, digits and `_`")
    return name


Variable = Annotated[Text, AfterValidator(_is_variable)]


class Hook(Strict):
    """A receiver of a sweep's events: `url`, or `url_env` where the URL itself is a secret."""

    url: Text | None = None
    url_env: Variable | None = None
    secret_env: Variable | None = None
    events: Annotated[list[EventName], Field(min_length=1)] = Field(
        default=["trial_failed", "trial_stopped", "sweep_finished", "sweep_stopped"]
    )

    @field_validator("url")
    @classmethod
    def _is_sound(cls, url: str | None) -> str | None:
        if url is None:
            return None
        reason = reason_against_url(url)
        if reason:
            raise ValueError(reason)
        if urlsplit(url).query:
            raise ValueError("has a query, which may be a secret, and this file is kept: name it by `url_env`")
        return url

    @model_validator(mode="after")
    def _one_url(self) -> Hook:
        if (self.url is None) == (self.url_env is None):
            raise ValueError("needs exactly one of `url` and `url_env`, the environment variable that holds it")
        return self


def reason_against_url(url: str) -> str | None:
    """Why nothing can be sent there, without the URL itself; None: it can."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "is no URL"
    if parts.scheme not in ("http", "https"):
        return "is no URL that begins with https:// or http://"
    host = parts.hostname or ""
    if not 0 < len(host) <= _LONGEST_HOST or port == 0 or not all("!" <= each <= "~" for each in url):
        return "is no URL of a host"
    if parts.username is not None or parts.fragment:
        return "has a user name or a fragment, which are not sent; the receiver knows us by the signature"
    return None
