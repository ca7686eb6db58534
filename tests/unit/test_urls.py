"""Which database is meant, and that no part of its password is ever repeated."""

from __future__ import annotations

import pytest

from db.connection.urls import resolve_url, shown
from db.errors import DatabaseError

SECRET = "s3cretPW"


@pytest.mark.parametrize(
    "url",
    [
        f"nonsense://me:{SECRET}@host/name",
        f"postgresql+psycopg://u:p@s:{SECRET}@h/db",
        f"postgresql+psycopg://u:p@{SECRET}@127.0.0.1/db",
        f"postgres://127.0.0.1/db?user=u&password={SECRET}",
        f"postgresql+psycopg://h/db?password={SECRET}&host=a,b&port=x",
        f"mysql://u:{SECRET}@host/name",
        f"host=h user=u password={SECRET}",
    ],
)
def test_a_url_that_cannot_be_used_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(DatabaseError) as caught:
        resolve_url(url)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_password_with_an_at_sign_is_told_how_to_be_written() -> None:
    with pytest.raises(DatabaseError, match="must be written as %40"):
        resolve_url("postgresql+psycopg://u:p@ss@127.0.0.1/db")
    assert resolve_url("postgresql+psycopg://u:p%40ss@127.0.0.1/db").password == "p@ss"


def test_a_url_is_shown_without_password_and_query() -> None:
    text = shown(resolve_url(f"postgresql+psycopg://u:{SECRET}@h/db?password={SECRET}"))
    assert text == "postgresql+psycopg://u:***@h/db"
