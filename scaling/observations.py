"""Which evaluations a fit looks at, on which x-axis, and what part each of them plays.

Every row that comes in stays in: a row that does not train the law keeps a role and a reason, so that a stored
fit can say what it did not use. Seeds stay separate; nothing here averages, smooths or fills in.
"""

import hashlib
import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from scaling.axes import X_COLUMN, X_OPTION, XKind
from scaling.errors import FitError
from scaling.row_roles import number, roles_of

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]
BoolArray: TypeAlias = NDArray[np.bool_]
Row: TypeAlias = Mapping[str, object]

ROLES = ("train", "holdout", "baseline", "outside_window", "clipped", "superseded", "unusable", "not_compared")

# What makes two rows the same measurement; ids of a particular database are left out on purpose.
CONTENT = (
    "model", "variant", "num_params", "data", "algorithm", "seed", "group_size", "tau", "learning_rate",
    "prompts_per_step", "updates_per_step", "kl_coefficient", "step", "samples", "tokens", "flops", "paper_flops",
    "gpu_hours", "benchmark", "protocol", "problems", "samples_per_problem", "successes", "score", "standard_error",
)  # fmt: skip
# In what runs can differ beside their seed; those that agree in all of it are repeats of one configuration.
CONFIGURATION = (
    "model", "variant", "data", "algorithm", "group_size", "tau", "learning_rate", "prompts_per_step",
    "updates_per_step", "kl_coefficient",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Observations:
    """Evaluations as parallel arrays, ordered by size, model, seed, trial and x.

    `attempts` is how many completions were scored (problems x samples each) and `failures` how many of them were
    wrong; both are NaN where the score is an exact probability. `loss` is 1 - pass@1. `prompts_per_step`, `samples`,
    `flops` and `truncated_share` (of the training step's completions, cut at the token limit) are NaN where they are
    not known. `configuration`: what each run was set to, by the names of `CONFIGURATION`; None for what is not known.
    """

    x_kind: str
    benchmark: str
    protocol: str
    from_x: float | None
    to_x: float | None
    data_sha256: str
    evaluation_id: IntArray
    trial_id: IntArray
    num_params: IntArray
    seed: IntArray
    step: IntArray
    group_size: IntArray
    tau: FloatArray
    learning_rate: FloatArray
    prompts_per_step: FloatArray
    truncated_share: FloatArray
    samples: FloatArray
    flops: FloatArray
    x: FloatArray
    loss: FloatArray
    attempts: FloatArray
    failures: FloatArray
    standard_error: FloatArray
    model: tuple[str, ...]
    role: tuple[str, ...]
    reason: tuple[str, ...]
    content_sha256: tuple[str, ...]
    configuration: Mapping[str, tuple[object, ...]]

    def __len__(self) -> int:
        return len(self.role)

    def where(self, role: str) -> BoolArray:
        """True for every row with this role."""
        return np.array([each == role for each in self.role], dtype=np.bool_)

    @property
    def has_counts(self) -> bool:
        """True when every row that trains or tests the law says how many completions were right."""
        return self.counted_share == 1.0

    @property
    def counted_share(self) -> float:
        """Share of the rows that train or test the law which say how many completions were right."""
        used = self.where("train") | self.where("holdout")
        return float(np.mean(~np.isnan(self.failures[used]))) if used.any() else 0.0

    def seed_of(self, rows: BoolArray | IntArray) -> int:
        """A seed for draws that depends on what these rows measured and on nothing else.

        Rows that an estimation may not see cannot reach its intervals by way of the seed.
        """
        chosen = np.array(self.content_sha256)[rows].tolist()
        return int(hashlib.sha256("".join(sorted(chosen)).encode()).hexdigest()[:16], 16)

    def sizes(self, role: str = "train") -> list[int]:
        """Distinct sizes (non-embedding parameters) among the rows with this role, ascending."""
        return [int(size) for size in np.unique(self.num_params[self.where(role)])]

    def hold_out(self, sizes: Collection[int]) -> "Observations":
        """The same rows with the training rows of these sizes set aside."""
        unknown = sorted(set(sizes) - set(self.sizes()) - set(self.sizes("holdout")))
        if unknown:
            raise FitError(
                f"cannot hold out N = {', '.join(map(str, unknown))}: the sizes with evaluations inside the fit "
                f"window are {', '.join(map(str, self.sizes()))}. Give one of these numbers."
            )
        chosen = np.isin(self.num_params, sorted(sizes)) & self.where("train")
        return self.with_role(chosen, "holdout", "size held out of the estimation")

    def with_role(self, rows: BoolArray, role: str, reason: str) -> "Observations":
        """The same rows, where those selected change their role."""
        assert role in ROLES, role
        selected = rows.tolist()
        return replace(
            self,
            role=tuple(role if hit else old for hit, old in zip(selected, self.role, strict=True)),
            reason=tuple(reason if hit else old for hit, old in zip(selected, self.reason, strict=True)),
        )


def from_rows(
    rows: Sequence[Row],
    *,
    x: XKind = "samples",
    from_x: float | None = None,
    to_x: float | None = None,
) -> Observations:
    """Order evaluations, give each its role, and refuse what cannot be fitted together.

    `from_x` and `to_x` bound the fit window, inclusive, in the unit of `x`.
    """
    if not rows:
        raise FitError("there are no evaluations to fit. Run the sweep first, or name another one.")
    if x not in X_COLUMN:
        raise FitError(f"x = {x!r} is not an x-axis. Choose one of {', '.join(X_COLUMN)}.")
    _require_sizes(rows)
    _require_axis(rows, x)
    benchmark = _only(rows, "benchmark", "--benchmark")
    protocol = _only(rows, "protocol", "--protocol")
    ordered = sorted(rows, key=lambda row: _order(row, X_COLUMN[x]))
    contents = [_content(row) for row in ordered]
    roles = roles_of(ordered, contents, column=X_COLUMN[x], from_x=from_x, to_x=to_x)
    attempts, failures = _counts(ordered)
    return Observations(
        x_kind=x,
        benchmark=benchmark,
        protocol=protocol,
        from_x=from_x,
        to_x=to_x,
        data_sha256=_digest("\n".join(sorted(contents))),
        evaluation_id=_integers(ordered, "evaluation_id"),
        trial_id=_integers(ordered, "trial_id"),
        num_params=_integers(ordered, "num_params"),
        seed=_integers(ordered, "seed"),
        step=_integers(ordered, "step"),
        group_size=_integers(ordered, "group_size"),
        tau=_floats(ordered, "tau"),
        learning_rate=_floats(ordered, "learning_rate"),
        prompts_per_step=_floats(ordered, "prompts_per_step"),
        truncated_share=_floats(ordered, "truncated_share"),
        samples=_floats(ordered, "samples"),
        flops=_floats(ordered, "flops"),
        x=_floats(ordered, X_COLUMN[x]),
        loss=1.0 - _floats(ordered, "score"),
        attempts=attempts,
        failures=failures,
        standard_error=_floats(ordered, "standard_error"),
        model=tuple(str(row["model"]) for row in ordered),
        role=tuple(role for role, _ in roles),
        reason=tuple(reason for _, reason in roles),
        content_sha256=tuple(map(_digest, contents)),
        configuration={name: tuple(_plain(row.get(name)) for row in ordered) for name in CONFIGURATION},
    )


def data_sha256(rows: Sequence[Row]) -> str:
    """Digest of what was measured, the same in any row order and in any database that holds these rows."""
    return _digest("\n".join(sorted(map(_content, rows))))


def row_sha256(row: Row) -> str:
    """Digest of what one row measured."""
    return _digest(_content(row))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _content(row: Row) -> str:
    return json.dumps([_plain(row.get(name)) for name in CONTENT])


def _only(rows: Sequence[Row], name: str, option: str) -> str:
    found = sorted({str(row[name]) for row in rows})
    if len(found) > 1:
        raise FitError(
            f"these evaluations mix {len(found)} values of {name}: {', '.join(found)}. Losses measured in different "
            f"ways do not lie on one curve; pass {option} with one of them."
        )
    return found[0]


def _counts(ordered: Sequence[Row]) -> tuple[FloatArray, FloatArray]:
    attempts = _floats(ordered, "problems") * _floats(ordered, "samples_per_problem")
    failures = attempts - _floats(ordered, "successes")
    return np.where(np.isnan(failures), np.nan, attempts), failures


def _order(row: Row, column: str) -> tuple[float, str, float, float, float, float, float]:
    x = number(row.get(column))
    return (
        number(row["num_params"]), str(row["model"]), float(_integer(row["seed"])), number(row["trial_id"]),
        -1.0 if math.isnan(x) else x, number(row["step"]), number(row["evaluation_id"]),
    )  # fmt: skip


def _plain(value: object) -> object:
    """Numbers that compare equal are written alike (160 and 160.0), so an integer column hashes like a float one."""
    return float(value) if isinstance(value, (int, float)) else value


def _floats(ordered: Sequence[Row], name: str) -> FloatArray:
    return np.array([number(row.get(name)) for row in ordered], dtype=np.float64)


def _integers(ordered: Sequence[Row], name: str) -> IntArray:
    return np.array([_integer(row[name]) for row in ordered], dtype=np.int64)


def _integer(value: object) -> int:
    """The value; -1 for one that is not known, which an imported run's seed and group size may be."""
    return -1 if value is None else int(value)  # type: ignore[call-overload]


def _require_axis(rows: Sequence[Row], x: XKind) -> None:
    """Imported runs know only the axes that their files had."""
    trained = [row for row in rows if row["step"]]
    known = [kind for kind, column in X_COLUMN.items() if any(row.get(column) is not None for row in trained)]
    if x not in known and known:
        options = ", ".join(f"--x {X_OPTION[kind]}" for kind in known)
        raise FitError(f"these runs have no {x}, which the law is asked over. What they have: {options}.")


def _require_sizes(rows: Sequence[Row]) -> None:
    unknown = sorted({str(row["model"]) for row in rows if row["num_params"] is None})
    if unknown:
        raise FitError(
            f"the size of {', '.join(unknown)} is not known, and a law needs it. Import these runs again with their "
            "size: --set num_params=NUMBER, or a column mapped to it."
        )
