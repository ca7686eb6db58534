"""The sweep file's language as a JSON Schema, with which editors complete and check a file while it is written.

It says what single values may be. What goes together, and what presets and the file that is extended give, only
`rlsweep validate` knows; so nothing that these may give is required here.
"""

from __future__ import annotations

import json
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, TypeAdapter

from orchestrator.sweepfile.inheritance import KEY as EXTENDS
from orchestrator.sweepfile.language import Point, SweepFile
from orchestrator.sweepfile.names import PRESET, value_names
from orchestrator.sweepfile.presets import published

_Definition: TypeAlias = tuple[type[BaseModel], Literal["validation"], TypeAdapter[Any]]

_REF = "#/$defs/"
# Mappings of which another file, a preset or an axis may give a part. Entries of lists are always written whole.
_GIVEN_IN_PARTS = {
    "Point", "Data", "Loss", "Optimizer", "Generation", "Lora", "Environment", "Budgets", "ModelEntry", "MadeModel",
    "WarmUp", "RetryPolicy",
}  # fmt: skip


def sweep_schema() -> dict[str, Any]:
    """The schema of a whole sweep file, as plain data."""
    definitions: list[_Definition] = [(model, "validation", TypeAdapter(model)) for model in (SweepFile, Point)]
    _, made = TypeAdapter.json_schemas(definitions, by_alias=True)
    defs = made["$defs"]
    for name in _GIVEN_IN_PARTS & defs.keys():
        defs[name].pop("required", None)
    root = defs.pop("SweepFile")
    required = root.pop("required")
    base = defs.pop("Point")
    base["properties"][PRESET] = _preset()
    properties = root["properties"] | {
        EXTENDS: {"type": "string", "description": "The path of a sweep file of which this one changes some values."},
        "models": root["properties"]["models"] | {"additionalProperties": _droppable(f"{_REF}ModelEntry")},
        "base": base,
        "evaluations": root["properties"]["evaluations"] | {"uniqueItems": True},
        "resources": _one_or_several(root["properties"]["resources"]),
    }
    _describe_axes(defs, base)
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "rlsweep sweep file",
        **{name: root[name] for name in ("description", "type", "additionalProperties")},
        "properties": properties,
        "if": {"not": {"required": [EXTENDS]}},
        "then": {"required": required, "properties": {"budgets": {"required": ["unit", "at"]}}},
        "$defs": defs,
    }
    return schema | {name: _without_titles(schema[name]) for name in ("properties", "$defs")}


def schema_text() -> str:
    """The schema as it is published."""
    return json.dumps(sweep_schema(), indent=2, ensure_ascii=False) + "\n"


def _without_titles(schema: Any) -> Any:
    """Without the titles that pydantic makes of names, which tell a reader nothing."""
    if isinstance(schema, list):
        return [_without_titles(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {name: _without_titles(value) for name, value in schema.items() if name != "title"}


def _droppable(reference: str) -> dict[str, Any]:
    """Null takes away what the file that is extended has."""
    return {"anyOf": [{"$ref": reference}, {"type": "null"}]}


def _preset() -> dict[str, Any]:
    names = [each for name, versions in published().items() for each in (name, *(f"{name}@{v}" for v in versions))]
    return {"enum": names, "description": "A named set of values under those of the file; the newest, or a version."}


def _one_or_several(rules: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [rules["items"], {key: rules[key] for key in ("type", "items", "minItems")}]}


def _describe_axes(defs: dict[str, Any], base: dict[str, Any]) -> None:
    """The names that a trial has values of, and what these may be, wherever axes name them.

    Null takes an axis of the file that is extended away.
    """
    values = {name: _schema_of(name.split("."), base, defs) for name in value_names()}
    lists = {name: {"type": "array", "minItems": 1, "items": schema} for name, schema in values.items()}
    either = {name: {"anyOf": [schema, lists[name]]} for name, schema in values.items()}
    droppable = {name: schema | {"type": ["array", "null"]} for name, schema in lists.items()}
    closed = {"type": "object", "additionalProperties": False}
    defs["ListsByName"] = closed | {"properties": droppable}
    defs["ValuesByName"] = closed | {"properties": either}
    axes, when = defs["Axes"]["properties"], defs["When"]["properties"]
    for names in (axes["grid"], axes["zip"]["items"]):
        names["$ref"] = f"{_REF}ListsByName"
    del axes["grid"]["additionalProperties"]  # which knows no null
    for pattern in (when["if"], when["set"], axes["exclude"]["items"]):
        pattern["$ref"] = f"{_REF}ValuesByName"


def _schema_of(path: list[str], schema: dict[str, Any], defs: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = schema["properties"][path[0]]
    if len(path) == 1:
        return {key: value for key, value in found.items() if key != "default"}
    options = [found, *found.get("anyOf", [])]
    reference = next(option["$ref"] for option in options if "$ref" in option)
    return _schema_of(path[1:], defs[reference.removeprefix(_REF)], defs)
