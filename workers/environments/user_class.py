"""An environment class of the user's, `package.module:Class`: imported where a trial runs, held to what TRL asks.

Its module must be importable by the Python that runs the trial. Its source is not part of a trial's identity: who
changes what the class does gives it another name.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

from db.errors import SpecError

# What a row of the data gives to `reset`.
ROW = ("prompt", "answer", "data_source")
_NO_TOOLS = ("reset", "get_reward")


def load_environment_class(name: str) -> type[Any]:
    """The class. Raises SpecError that says what is missing, from the module to the description of a tool."""
    module_name, _, class_name = name.partition(":")
    found = getattr(_module(name, module_name), class_name, None)
    if not inspect.isclass(found):
        raise SpecError(f"environment.factory {name}: {module_name} has no class {class_name}")
    _check(name, found)
    return found


def tool_methods(environment: type[Any]) -> dict[str, Callable[..., Any]]:
    """The methods that the policy may call, by name: all public ones but those that TRL calls itself.

    They are as an instance has them, without `self`, and fit to be described, not to be called: there is no instance.
    """
    names = [name for name, _ in inspect.getmembers(environment, predicate=inspect.isfunction)]
    return {
        name: inspect.getattr_static(environment, name).__get__(object(), environment)
        for name in names
        if not name.startswith("_") and name not in _NO_TOOLS
    }


def _module(name: str, module_name: str) -> ModuleType:
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise SpecError(
            f"environment.factory {name}: there is no module {error.name}; install its package beside rlsweep, or "
            "put its folder on PYTHONPATH"
        ) from error
    except Exception as error:
        raise SpecError(
            f"environment.factory {name}: {module_name} cannot be imported: {type(error).__name__}: {error}"
        ) from error


def _check(name: str, environment: type[Any]) -> None:
    from transformers.utils import get_json_schema

    if not _accepts(environment):
        raise SpecError(f"environment.factory {name}: {environment.__name__}() needs arguments, and none are given")
    reset = getattr(environment, "reset", None)
    if not inspect.isfunction(reset):
        raise SpecError(f"environment.factory {name}: the class has no method `reset`")
    if not _accepts(reset, None, **dict.fromkeys(ROW)):
        raise SpecError(
            f"environment.factory {name}: `reset` must take the columns of a prompt's row, which are "
            f"{', '.join(ROW)}; write `def reset(self, **row)`"
        )
    tools = tool_methods(environment)
    if not tools:
        raise SpecError(f"environment.factory {name}: the class has no public method beside `reset` to be called")
    for method, function in tools.items():
        try:
            get_json_schema(function)
        except Exception as error:  # transformers has an exception for each thing that a docstring may lack
            raise SpecError(f"environment.factory {name}: `{method}` cannot be described: {error}") from error


def _accepts(function: Callable[..., Any], *arguments: Any, **named: Any) -> bool:
    try:
        inspect.signature(function).bind(*arguments, **named)
    except TypeError:
        return False
    return True
