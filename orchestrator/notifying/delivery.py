"""One message to one receiver: signed, sent once, and either confirmed, refused or to be tried again.

Nothing that is said of a failure holds the URL: it may be a secret.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import time
from http import HTTPStatus
from importlib.metadata import version
from urllib.error import HTTPError, URLError
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
)

from orchestrator.notifying.receivers import Receiver

SIGNATURE = "Rlsweep-Signature"
_TIMEOUT_SECONDS = 10.0  # for a connection, and then for an answer
_MAY_COME_RIGHT = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)


class Refused(Exception):
    """The receiver will not take this message, however often it is sent."""


class Unreachable(Exception):
    """The receiver could not take the message now."""


def deliver(receiver: Receiver, body: bytes) -> None:
    """Send a message; returns once the receiver has confirmed it. Raises Refused or Unreachable, with the reason."""
    try:
        request = Request(receiver.url, data=body, headers=_headers(receiver.secret, body), method="POST")  # noqa: S310
        _opener().open(request, timeout=_TIMEOUT_SECONDS).close()
    except HTTPError as answer:
        answer.close()
        told = f"it answers {answer.code}"
        may_come_right = answer.code >= HTTPStatus.INTERNAL_SERVER_ERROR or answer.code in _MAY_COME_RIGHT
        raise (Unreachable if may_come_right else Refused)(told) from None
    except URLError as error:
        raise Unreachable(_reason(error.reason)) from None
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(_reason(error)) from None
    except ValueError:  # of a host's name that no resolver can be asked for
        raise Refused("its URL cannot be used") from None


def signature(secret: bytes, body: bytes, *, timestamp: int) -> str:
    """The header's value: an HMAC with SHA-256 over `timestamp.body`; `timestamp` is in seconds since 1970."""
    signed = hmac.new(secret, f"{timestamp}.".encode() + body, hashlib.sha256)
    return f"t={timestamp},v1={signed.hexdigest()}"


def _headers(secret: bytes | None, body: bytes) -> dict[str, str]:
    headers = {"Content-Type": "application/json", "User-Agent": f"rlsweep/{version('rlsweep')}"}
    return headers if secret is None else headers | {SIGNATURE: signature(secret, body, timestamp=int(time.time()))}


def _opener() -> OpenerDirector:
    """HTTP alone, through the environment's proxies; a redirection is not followed, but an answer like others."""
    opener = OpenerDirector()
    for handler in (ProxyHandler, HTTPHandler, HTTPSHandler, HTTPDefaultErrorHandler, HTTPErrorProcessor):
        opener.add_handler(handler())
    return opener


def _reason(error: object) -> str:
    if isinstance(error, TimeoutError):
        return "it does not answer in time"
    if isinstance(error, http.client.HTTPException):
        return f"its answer is not HTTP ({type(error).__name__})"
    return str(getattr(error, "strerror", None) or error)
