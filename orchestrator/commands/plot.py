"""`rlsweep plot`."""

NAME = "plot"


def command() -> None:
    """x"""
