"""The store: the only code that writes to the database. One transaction a method; what a method returned from
is committed.

* `PlanStore` is the driver's side: which sweeps ask for which trials, what is still to be run, what was lost.
* `AttemptStore` is the worker's side, bound to one attempt. Every write first proves that the attempt is still
  the trial's living one (its number is the fencing token) and renews its lease; a dead attempt's late write
  raises StaleAttemptError and changes nothing. Writing the same row twice is the same as writing it once.
* `SpoolingAttemptStore` (`spool`) is the same to the trial while the database is away: records wait on the local disk
  and are delivered in order when it is back.
* `SteeringStore` is a person's side: pausing, resuming, cancelling, trying again, whether trials run or not.
* `DriverStore` is what keeps two drivers from one sweep.
* `WebhookStore` is how far each receiver of a sweep's events has confirmed them.
* `ImportStore` writes runs that another program recorded, all of a file or nothing.
* `FitStore` keeps fits, which are never changed.
"""

from db.store.attempts import AttemptStore, claim
from db.store.driving import DriverStore
from db.store.fits import FitStore
from db.store.imports import ImportStore
from db.store.plan import PlanStore
from db.store.registering import Registration
from db.store.steering import SteeringStore
from db.store.webhooks import WebhookStore

__all__ = [
    "AttemptStore",
    "DriverStore",
    "FitStore",
    "ImportStore",
    "PlanStore",
    "Registration",
    "SteeringStore",
    "WebhookStore",
    "claim",
]
