"""`rlsweep fit`."""

NAME = "fit"


def command() -> None:
    """x"""
