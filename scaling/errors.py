"""The one way a fit refuses: data or a request that cannot mean anything, said with what to do instead."""

from db.errors import RlsweepError


class FitError(RlsweepError):
    """Evaluations that cannot be fitted together, or a fit that these evaluations cannot support."""
