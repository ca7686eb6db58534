"""How far the receivers of a sweep's events have confirmed them: what a driver that takes over goes on from."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Engine, insert, select, update

from db.connection.engines import begin_write
from db.tables import Webhook
from db.types import database_now


class WebhookStore:
    """Of one receiver of one sweep. Only the sweep's driver writes it, one event after the other."""

    def __init__(self, engine: Engine, sweep_id: int, receiver: str) -> None:
        self._engine = engine
        self._sweep_id = sweep_id
        self._receiver = receiver
        self._own = (Webhook.sweep_id == sweep_id, Webhook.receiver == receiver)

    def told_through(self) -> tuple[datetime, str]:
        """When the last event happened that it confirmed, and that event's number.

        One that is named for the first time is told of what happens from now on.
        """
        found = select(Webhook.told_through_at, Webhook.last_event).where(*self._own)
        with begin_write(self._engine) as connection:
            known = connection.execute(found).first()
            if known is None:
                new = {"sweep_id": self._sweep_id, "receiver": self._receiver, "told_through_at": database_now()}
                connection.execute(insert(Webhook).values(new))
                known = connection.execute(found).one()
        return known.told_through_at, known.last_event

    def confirm(self, at: datetime, number: str) -> None:
        """Say that it knows of the event and of all before it."""
        with begin_write(self._engine) as connection:
            connection.execute(update(Webhook).where(*self._own).values(told_through_at=at, last_event=number))
