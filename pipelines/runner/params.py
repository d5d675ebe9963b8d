"""The parameters of a run: one JSON schema per app rules the form, the REST call and the command line."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

Schema = Mapping[str, Mapping[str, Any]]


def schema(file: Path) -> Schema:
    """Read the schema of an app's parameters, which stand by the kind of DAG that asks for them."""
    kinds: Mapping[str, Schema] = json.loads(file.read_text())
    return {name: rule for rules in kinds.values() for name, rule in rules.items()}


def validated(schema: Schema, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the defaults overlaid with ``given``, or refuse with the sentence that Airflow uses too."""
    unknown = sorted(given.keys() - schema.keys())
    if unknown:
        raise ValueError(f"unknown parameters {unknown}; this app takes {sorted(schema)}")
    values = {name: given.get(name, rule.get("default")) for name, rule in schema.items()}
    for name, rule in schema.items():
        for error in Draft202012Validator(rule, format_checker=FormatChecker()).iter_errors(values[name]):
            raise ValueError(f"Invalid input for param {name}: {error.message}")
    first, last = values.get("first_date"), values.get("last_date")
    if first and last and last < first:
        raise ValueError(f"last_date must not be before first_date, got {first} to {last}")
    return values


def parsed(rule: Mapping[str, Any], text: str) -> Any:
    """Read one command-line value by its rule; what does not parse stays text, for the schema to refuse."""
    if "string" in rule["type"]:
        return text
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
