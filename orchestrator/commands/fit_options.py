"""The options of a fit, once: every command that makes one takes them from here, so that they cannot drift apart.

A command has a parameter `options: FitOptions`; `@takes_fit_options` puts the options of these names in its place.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any, get_type_hints

import typer

from db.errors import SpecError
from orchestrator.fitting import FitOptions

Command = Callable[..., None]


def amount(option: str, example: str, *, below: float = 1e30, zero: bool = False) -> Callable[[str], float]:
    """What reads an amount as people write it (40K, 7B, 1e21). SpecError, naming the option, for what is none."""

    def read(text: str) -> float:
        from scaling.wording import amount_of, short

        found = 0.0 if zero and text.strip() == "0" else amount_of(text)
        if found is None or not found < below:
            least = "0 or more" if zero else "above 0"
            raise SpecError(f"{option} {text}: expected an amount {least} and below {short(below)}, as {example}.")
        return found

    return read


def share(option: str, example: str) -> Callable[[str], float]:
    """What reads a number between 0 and 1, both excluded. SpecError, naming the option, for what is none."""

    def read(text: str) -> float:
        try:
            found = float(text)
        except ValueError:
            found = -1.0
        if not 0 < found < 1:
            raise SpecError(f"{option} {text}: expected a number between 0 and 1, as {example}.")
        return found

    return read


_SHARED: dict[str, Any] = {
    "scope": Annotated[
        str | None,
        typer.Option(
            "--scope",
            metavar="SCOPE",
            help="inter-model (k by size), intra-model (a run's end from its beginning), data-reuse, group-size or "
            "transfer.  [default: the sweep file's, else inter-model]",
        ),
    ],
    "x": Annotated[
        str | None,
        typer.Option(
            "--x",
            metavar="AXIS",
            help="compute, paper-compute, data, tokens, steps or gpu-hours.  [default: the sweep file's, else compute, "
            "else what the runs have]",
        ),
    ],
    "from_x": Annotated[
        float | None,
        typer.Option(
            "--from",
            metavar="X",
            parser=amount("--from", "1024 or 40K", zero=True),
            help="Leave out evaluations before this x, as 1024 or 1e19; 0 takes all, whatever the sweep file says.",
        ),
    ],
    "to_x": Annotated[
        float | None,
        typer.Option(
            "--to",
            metavar="X",
            parser=amount("--to", "40K or 1e21"),
            help="Leave out evaluations after this x, as 40K or 1e21.",
        ),
    ],
    "holdout": Annotated[
        list[str] | None,
        typer.Option(
            "--holdout",
            metavar="MODEL",
            help="Keep a model out of the estimation and forecast it: its name or size, as Qwen2.5-72B or 72B; may be "
            "given several times.",
        ),
    ],
    "benchmark": Annotated[
        str | None, typer.Option("--benchmark", metavar="NAME", help="Only scores on this benchmark, as gsm8k.")
    ],
    "protocol": Annotated[
        str | None,
        typer.Option("--protocol", metavar="NAME", help="Only scores under this protocol, as answer-probability-v1."),
    ],
    "where": Annotated[
        list[str] | None,
        typer.Option(
            "--where",
            metavar="COLUMN=VALUE",
            help="Only trials with this value, or one of several, as group_size=8 or seed=11,12; may be given several "
            "times.",
        ),
    ],
    "k_form": Annotated[
        str | None,
        typer.Option(
            "--k-form",
            metavar="FORM",
            help="Form of k(N): saturating, hill, power, log-linear, constant, free.  [default: saturating]",
        ),
    ],
    "estimator": Annotated[
        str | None,
        typer.Option(
            "--estimator",
            metavar="NAME",
            help="auto, qb, ols-log, huber or linear-ls.  [default: auto: qb where there are counts, else ols-log]",
        ),
    ],
    "draws": Annotated[
        int | None,
        typer.Option(
            "--draws", metavar="COUNT", help="Bootstrap draws, as 10000; 0: no intervals from them.  [default: 1000]"
        ),
    ],
    "equal_size_weight": Annotated[
        bool,
        typer.Option(
            "--equal-size-weight", help="Inter-model: every size counts alike, however many evaluations it has."
        ),
    ],
    "laws": Annotated[
        list[str] | None,
        typer.Option(
            "--law",
            metavar="LAW",
            help="Intra-model: log-linear, floor, sigmoid or s-curve; may be given several times.  [default: all]",
        ),
    ],
    "margin": Annotated[
        float | None,
        typer.Option(
            "--margin",
            metavar="SHARE",
            parser=share("--margin", "0.02 for a rise by 2%"),
            help="Data-reuse: the rise of loss that counts as none, as 0.05.  [default: 0.02]",
        ),
    ],
    "in_domain": Annotated[
        str | None,
        typer.Option(
            "--in-domain",
            metavar="NAME",
            help="Transfer: the benchmark of the training domain, as gsm8k.  [default: the one named heldout...]",
        ),
    ],
}
ALL = tuple(_SHARED)
OF_FORECASTS = ("x", "from_x", "to_x", "holdout", "benchmark", "protocol", "where", "k_form", "estimator", "draws")


def takes_fit_options(names: tuple[str, ...]) -> Callable[[Command], Command]:
    """A command that is told these options in one `FitOptions`, of which nothing that was left out is set."""

    def decorated(command: Command) -> Command:
        @wraps(command)
        def typed(**given: Any) -> None:
            said = {name: given.pop(name) for name in names}
            said = {name: value for name, value in said.items() if value not in (None, []) and value is not False}
            command(options=FitOptions(**said), **given)

        hints = get_type_hints(command, include_extras=True)
        parameters: list[inspect.Parameter] = []
        for name, own in inspect.signature(command).parameters.items():
            if name == "options":
                parameters += [_parameter(shared) for shared in names]
            else:
                parameters.append(own.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY))
        typed.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        typed.__annotations__ = {each.name: each.annotation for each in parameters}
        return typed

    return decorated


def _parameter(name: str) -> inspect.Parameter:
    default = False if name == "equal_size_weight" else None
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=_SHARED[name])
