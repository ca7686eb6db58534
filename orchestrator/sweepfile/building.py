"""One trial from one combination of axis values: its effective values, checked and resolved."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from db.errors import SpecError
from orchestrator.sweepfile.effective import EffectiveValues
from orchestrator.sweepfile.harmless import STAND_IN_MODEL, Refusal, Unplaceable, make_harmless
from orchestrator.sweepfile.hints import shown
from orchestrator.sweepfile.language import Point, SweepFile
from orchestrator.sweepfile.models import UnknownModel, resolve_model
from orchestrator.sweepfile.names import model_in
from orchestrator.sweepfile.problems import Path
from orchestrator.sweepfile.resources import execution_of, rule_for
from workers.spec import Algorithm, Budget, Execution, Loss, Model, Sampling, Seed, TrialSpec

_SEED: TypeAdapter[int] = TypeAdapter(Seed, config=ConfigDict(strict=True))
_MAPPINGS = {name: model for name, field in Point.model_fields.items() if (model := model_in(field.annotation))}
_OF_MICRO_BATCHES = ("micro_batch", "aggregation", "group_size", "prompts_per_step", "updates_per_step")
_MOST_ROUNDS = 6
_RECIPE = ("group_size", "prompts_per_step", "updates_per_step", "epochs_per_step")


class Builder:
    """Makes the specification of each combination.

    What several trials share is made once: whole specifications that differ in their seed, and parts of others.
    """

    def __init__(self, sweep: SweepFile, effective: EffectiveValues) -> None:
        self._sweep = sweep
        self._effective = effective
        self._seed_has_rules = any("seed" in (rule.condition or ()) for rule in sweep.resources)
        self._made: dict[str, TrialSpec] = {}
        self._mappings: dict[tuple[str, str], Any] = {}
        self._models: dict[str, Model] = {}
        self._unsized: dict[str, Unplaceable] = {}
        self._parts: dict[tuple[Any, ...], Any] = {}
        self.rules_used: dict[int | None, str] = {}  # numbers of entries of `resources`, with a model run by each
        self._budget = Budget(unit=sweep.budgets.unit, at=sweep.budgets.at)
        self._evaluations = tuple(sweep.evaluations)

    def build(self, values: Mapping[str, Any]) -> TrialSpec:
        """Raises ValidationError, with places from `base` on, and Unplaceable."""
        if "seed" not in values or self._seed_has_rules:
            return self._from_scratch(values)
        others = repr([(name, value) for name, value in values.items() if name != "seed"])
        if others in self._made and _is_seed(values["seed"]):
            return self._made[others].model_copy(update={"seed": values["seed"]})
        self._made[others] = self._from_scratch(values)
        return self._made[others]

    def further(self, values: Mapping[str, Any], first: Refusal) -> Iterator[tuple[Refusal, set[str]]]:
        """What is wrong with a combination beside what has been found first, with something harmless in its place.

        With each the names of what has been replaced: what is said of these is no mistake of the file.
        """
        effective = self._effective.of(values)
        data, said, error = copy.deepcopy(effective), set[str](), first
        for _ in range(_MOST_ROUNDS):
            said |= make_harmless(data, error)
            try:
                self._checked(data, effective, said)
            except (ValidationError, Unplaceable) as found:
                error = found
                yield found, set(said)
            else:
                return

    def _checked(self, data: dict[str, Any], effective: Mapping[str, Any], said: set[str]) -> None:
        """Check values in the order of `_from_scratch`, those apart that stand for nothing known."""
        model, execution = STAND_IN_MODEL, Execution(micro_batch=1)
        name = data.get("model")
        if "model" not in said and isinstance(name, str) and name:
            model = self._found_model(name) or model
        point = self._point(data)
        if model is not STAND_IN_MODEL and said.isdisjoint(_OF_MICRO_BATCHES):
            execution = self._execution(point, model, effective)
        self._put_together(point, model, execution)

    def _found_model(self, name: str) -> Model | None:
        try:
            return self._model(name)
        except ValidationError:
            return None  # the model's own entry is wrong, which is said of the entry

    def _from_scratch(self, values: Mapping[str, Any]) -> TrialSpec:
        effective = self._effective.of(values)
        point = self._point(effective)
        model = self._model(point.model)
        return self._put_together(point, model, self._execution(point, model, effective))

    def _point(self, effective: Mapping[str, Any]) -> Point:
        data = dict(effective)
        if data.get("tau") is not None and isinstance(data.get("data"), dict):
            data["data"] = data["data"] | {"tau": data.pop("tau")}
        for name, model in _MAPPINGS.items():
            if isinstance(data.get(name), dict):
                data[name] = self._mapping(name, model, data[name])
        return Point.model_validate(data)

    def _mapping(self, name: str, model: type[BaseModel], data: dict[str, Any]) -> Any:
        """The part of a point that a mapping makes; a wrong mapping as it is, to be refused with the whole point."""
        key = (name, repr(data))
        if key not in self._mappings:
            try:
                self._mappings[key] = model.model_validate(data)
            except ValidationError:
                return data
        return self._mappings[key]

    def _put_together(self, point: Point, model: Model, execution: Execution) -> TrialSpec:
        return TrialSpec(
            model=model,
            data=point.data,
            algorithm=self._algorithm(point),
            optimizer=point.optimizer,
            sampling=self._sampling(point),
            lora=point.lora,
            environment=point.environment,
            seed=point.seed,
            budget=self._budget,
            evaluations=self._evaluations,
            execution=execution,
            health=point.health,
        )

    def _model(self, name: str) -> Model:
        if name not in self._models:
            entry = self._sweep.models.get(name)
            path: Path = ("models", name, "source") if entry else ("base", "model")
            source = entry.source if entry else name
            try:
                self._models[name] = resolve_model(name, self._sweep.models)
            except UnknownModel as error:
                raise Unplaceable(path, str(error)) from None
            except (OSError, RuntimeError):  # too long a name, links in a circle, the home of nobody
                raise Unplaceable(path, f"found {shown(source)}, which cannot be the path of a folder") from None
        return self._models[name]

    def _algorithm(self, point: Point) -> Algorithm:
        own = {name: getattr(point, name) for name in _RECIPE}
        # The loss is kept alive by the entry, so its id is its own.
        key = ("algorithm", id(point.loss), point.algorithm, *own.values())
        if key not in self._parts:
            loss = {name: getattr(point.loss, name) for name in Loss.model_fields}
            self._parts[key] = (Algorithm(name=point.algorithm, **own, **loss), point.loss)
        found: Algorithm = self._parts[key][0]
        return found

    def _sampling(self, point: Point) -> Sampling:
        key = ("sampling", id(point.generation))
        if key not in self._parts:
            drawn = {name: getattr(point.generation, name) for name in Sampling.model_fields}
            self._parts[key] = (Sampling(**drawn), point.generation)
        found: Sampling = self._parts[key][0]
        return found

    def _execution(self, point: Point, model: Model, effective: Mapping[str, Any]) -> Execution:
        if model.name in self._unsized:
            raise self._unsized[model.name]
        try:
            number = rule_for(model, self._sweep, effective)
        except SpecError as error:
            reason = f"`resources` asks for its size: {error}"
            self._unsized[model.name] = Unplaceable(("base", "model"), reason)  # the hub is asked once
            raise self._unsized[model.name] from None
        self.rules_used.setdefault(number, model.name)
        key = ("execution", id(point.generation), number, model.made is None)
        if key not in self._parts:
            self._parts[key] = (execution_of(point, model, self._sweep, number), point.generation)
        found: Execution = self._parts[key][0]
        return found


def _is_seed(value: Any) -> bool:
    try:
        _SEED.validate_python(value)
    except ValidationError:
        return False  # said where the whole point is checked
    return True
