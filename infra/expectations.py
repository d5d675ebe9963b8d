"""Great Expectations, all of it that the platform uses: rules in, findings out, on Spark, with no network and no files."""

import importlib
import logging
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql.types import StructType

KEYS_SHOWN = 3


def _library() -> Any:
    """Import Great Expectations, which warns of what is its own affair, and would report its use."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        library = importlib.import_module("great_expectations")
    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    return library


gx = _library()


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """One rule: a sentence for people, the library's name for it, and its arguments."""

    sentence: str
    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What became of one rule: how many rows break it (of a rule for rows), what was observed, and the first keys."""

    sentence: str
    success: bool
    rows: int = 0
    observed: Any = None
    keys: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.success:
            return f"{self.sentence}: holds"
        if self.observed is not None:
            return f"{self.sentence}: got {self.observed}"
        return f"{self.sentence}: {self.rows:,} rows break it, the first are {', '.join(self.keys)}"


def not_null(column: str) -> Expectation:
    return Expectation(
        sentence=f"{column} must not be null", name="ExpectColumnValuesToNotBeNull", arguments={"column": column}
    )


def between(column: str, low: float | None, high: float | None) -> Expectation:
    return Expectation(
        sentence=f"{column} must be between {low} and {high}",
        name="ExpectColumnValuesToBeBetween",
        arguments={"column": column, "min_value": low, "max_value": high},
    )


def one_of(column: str, values: Sequence[Any], *, share: float = 1.0) -> Expectation:
    """Nulls aside, at least ``share`` of the rows have one of ``values``."""
    subject = column if share == 1 else f"{share:.1%} of {column}"
    return Expectation(
        sentence=f"{subject} must be one of {list(values)}",
        name="ExpectColumnValuesToBeInSet",
        arguments={"column": column, "value_set": list(values), "mostly": share},
    )


def filled(column: str, share: float) -> Expectation:
    """At least ``share`` of the rows have a value."""
    return Expectation(
        sentence=f"{share:.1%} of {column} must not be null",
        name="ExpectColumnValuesToNotBeNull",
        arguments={"column": column, "mostly": share},
    )


def unique(columns: Sequence[str]) -> Expectation:
    if len(columns) == 1:
        return Expectation(
            sentence=f"{columns[0]} must be unique",
            name="ExpectColumnValuesToBeUnique",
            arguments={"column": columns[0]},
        )
    return Expectation(
        sentence=f"{' and '.join(columns)} together must be unique",
        name="ExpectCompoundColumnsToBeUnique",
        arguments={"column_list": list(columns)},
    )


def row_count(rows: int) -> Expectation:
    return Expectation(
        sentence=f"there must be {rows:,} rows", name="ExpectTableRowCountToEqual", arguments={"value": rows}
    )


def some_rows() -> Expectation:
    return Expectation(
        sentence="there must be at least one row", name="ExpectTableRowCountToBeBetween", arguments={"min_value": 1}
    )


def enough_rows(least: int, standing: int) -> Expectation:
    """That rows do not replace ``standing`` ones that they are far fewer than."""
    return Expectation(
        sentence=f"there must be at least {least:,} rows to replace the {standing:,} that stand",
        name="ExpectTableRowCountToBeBetween",
        arguments={"min_value": least},
    )


def mean_between(column: str, low: float, high: float) -> Expectation:
    return Expectation(
        sentence=f"the mean of {column} must be between {low} and {high}",
        name="ExpectColumnMeanToBeBetween",
        arguments={"column": column, "min_value": low, "max_value": high},
    )


def schema(expected: StructType) -> list[Expectation]:
    """The columns in their order, and each one's type."""
    order = Expectation(
        sentence=f"the columns must be {', '.join(expected.names)}",
        name="ExpectTableColumnsToMatchOrderedList",
        arguments={"column_list": expected.names},
    )
    types = [
        Expectation(
            sentence=f"{column.name} must be of type {column.dataType.simpleString()}",
            name="ExpectColumnValuesToBeOfType",
            arguments={"column": column.name, "type_": type(column.dataType).__name__},
        )
        for column in expected
    ]
    return [order, *types]


def evaluate(df: DataFrame, expectations: Sequence[Expectation], *, key: Sequence[str]) -> list[Finding]:
    """Judge every rule on ``df`` (cache it); rules that fail are judged once more, for the keys of rows that break them."""
    verdicts = _validated(df, expectations, {"result_format": "BOOLEAN_ONLY"})
    failed = [index for index, verdict in enumerate(verdicts) if not verdict["success"]]
    detailed = {
        "result_format": "SUMMARY",
        "unexpected_index_column_names": list(key),
        "partial_unexpected_count": KEYS_SHOWN,
    }
    again = _validated(df, [expectations[index] for index in failed], detailed)
    for index, verdict in zip(failed, again, strict=True):
        verdicts[index] = verdict | {"success": False}
    return [_finding(rule, verdict, key) for rule, verdict in zip(expectations, verdicts, strict=True)]


def _validated(df: DataFrame, rules: Sequence[Expectation], detail: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One verdict a rule, in the rules' order: the library gives them in an order of its own."""
    if not rules:
        return []
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = gx.data_context.types.base.ProgressBarsConfig(globally=False)
    source = context.data_sources.add_spark("spark", persist=False)
    batch = source.add_dataframe_asset("rows").add_batch_definition_whole_dataframe("all").get_batch({"dataframe": df})
    native = [_native(rule, index) for index, rule in enumerate(rules)]
    results = batch.validate(gx.ExpectationSuite(name="rows", expectations=native), result_format=dict(detail)).results
    verdicts = {result.expectation_config.meta["rule"]: _judged(result.to_json_dict()) for result in results}
    return [verdicts[index] for index in range(len(rules))]


def _native(rule: Expectation, index: int) -> Any:
    return getattr(gx.expectations, rule.name)(**rule.arguments, meta={"rule": index})


def _judged(verdict: dict[str, Any]) -> dict[str, Any]:
    """The verdict; a rule that the library could not judge, for want of a column say, has failed with what it said."""
    problem = verdict.get("exception_info") or {}
    infos = problem.values() if all(isinstance(info, dict) for info in problem.values()) else [problem]
    raised = [info["exception_message"] for info in infos if info.get("raised_exception")]
    return verdict | {"success": False, "result": {"observed_value": f"no verdict: {raised[0]}"}} if raised else verdict


def _finding(rule: Expectation, verdict: dict[str, Any], key: Sequence[str]) -> Finding:
    result = verdict["result"]
    rows = result.get("partial_unexpected_index_list") or []
    return Finding(
        sentence=rule.sentence,
        success=verdict["success"],
        rows=int(result.get("unexpected_count") or 0),
        observed=result.get("observed_value"),
        keys=tuple(":".join(str(row[column]) for column in key) for row in rows[:KEYS_SHOWN]),
    )
