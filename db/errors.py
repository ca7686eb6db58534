"""The errors a user can meet: each says what is wrong, which value, and what to do about it.

Everything that rlsweep raises on purpose descends from `RlsweepError`, so the command line has one `except`.
Broken invariants of our own are `assert`s and reach the user as tracebacks.
"""


class RlsweepError(Exception):
    """Something the user can act on. `exit_code` is what the command line ends with."""

    exit_code = 1


class SpecError(RlsweepError):
    """A sweep file, or a command's arguments, that cannot mean anything."""

    exit_code = 2


class DatabaseError(RlsweepError):
    """The database cannot be opened, read or written."""


class SchemaVersionError(DatabaseError):
    """The database's tables are older or newer than this code."""

    exit_code = 5


class StaleAttemptError(RlsweepError):
    """An attempt that is no longer the trial's living one tried to write (fencing)."""


class SweepIsDriven(RlsweepError):
    """Another driver launches the sweep's trials: two would start every trial twice."""


class EnvironmentProblem(RlsweepError):
    """The machine lacks what the trial needs: a package, a device, memory, a writable folder."""


class CheckpointError(RlsweepError):
    """A checkpoint is incomplete or altered."""


class EngineError(RlsweepError):
    """The generation engine does not do what it must (stale weights, wrong precision)."""


class NumericalError(RlsweepError):
    """Training left the numbers: a loss or gradient that is not finite."""


class UnhealthyTrial(RlsweepError):
    """A health gate ended the trial. `outcome` is what it found, in one word: a result of the recipe, not a fault."""

    def __init__(self, message: str, outcome: str) -> None:
        super().__init__(message)
        self.outcome = outcome
