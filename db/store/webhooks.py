"""How far the receivers of a sweep's events have confirmed them: where a driver that takes over goes on."""

from __future__ import annotations

from sqlalchemy import Engine, and_, insert, select, update

from db.connection.engines import begin_write
from db.sweep_events import Place
from db.tables import Webhook


class WebhookStore:
    """Of one receiver of one sweep."""

    def __init__(self, engine: Engine, sweep_id: int, receiver: str) -> None:
        self._engine = engine
        self._key = {"sweep_id": sweep_id, "receiver": receiver}
        self._own = and_(Webhook.sweep_id == sweep_id, Webhook.receiver == receiver)

    def told_through(self) -> Place:
        """The last event that it confirmed. One that is named for the first time is told what happens from now on."""
        found = select(Webhook.told_through_at, Webhook.last_event).where(self._own)
        with begin_write(self._engine) as connection:
            known = connection.execute(found).first()
            if known is None:
                connection.execute(insert(Webhook).values(self._key))
                known = connection.execute(found).one()
        return Place(*known)

    def confirm(self, place: Place) -> None:
        """Say that it knows of an event and of all before it. A driver that was replaced takes nothing back."""
        own = update(Webhook).where(self._own, Webhook.told_through_at <= place.at)
        with begin_write(self._engine) as connection:
            connection.execute(own.values(told_through_at=place.at, last_event=place.number))
