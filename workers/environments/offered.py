"""The tools of a trial, put together from its `environment`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from db.errors import SpecError
from workers.environments.calculator import calculator
from workers.environments.python_program import check_sandbox, python
from workers.environments.user_class import load_environment_class, tool_methods
from workers.spec import Environment

Tool = Callable[..., Any]

TOOLS: dict[str, Tool] = {"python": python, "calculator": calculator}


@dataclass(frozen=True)
class Offered:
    """Functions that are the same for every completion, and a class of which every completion has an instance."""

    functions: tuple[Tool, ...]
    environment_class: type[Any] | None = None

    @property
    def trl_arguments(self) -> dict[str, Any]:
        """What `GRPOTrainer` is given."""
        return {"tools": list(self.functions), "environment_factory": self.environment_class}

    @property
    def described(self) -> list[Tool]:
        """What the prompt describes, in its order."""
        return [*self.functions, *(tool_methods(self.environment_class) if self.environment_class else {}).values()]


def offered(environment: Environment) -> Offered:
    """The tools. Raises SpecError for a class that cannot be used, EnvironmentProblem where programs cannot be run."""
    functions = tuple(TOOLS[name] for name in dict.fromkeys(environment.tools))
    if python in functions:
        check_sandbox()
    own = load_environment_class(environment.factory) if environment.factory else None
    for name in tool_methods(own) if own else ():
        if name in environment.tools:
            raise SpecError(f"environment.factory {environment.factory} has a method `{name}`, and so is a tool called")
    return Offered(functions, own)
