from pathlib import Path

import pytest

from pipelines.runner import params

SCHEMA = params.schema(Path("apps/fraud/params.json"))


def test_defaults_hold_where_nothing_is_given() -> None:
    assert params.validated(SCHEMA, {})["members"] == SCHEMA["members"]["default"]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"members": 0}, "Invalid input for param members: 0 is less than the minimum of 1"),
        ({"model": "tree"}, "Invalid input for param model: 'tree' is not one of ['mlp', 'cnn', 'mixed']"),
        ({"first_date": "yesterday"}, "Invalid input for param first_date: 'yesterday' is not a 'date'"),
        ({"search": "yes"}, "Invalid input for param search: 'yes' is not of type 'boolean'"),
        (
            {"first_date": "2013-09-02", "last_date": "2013-09-01"},
            "last_date must not be before first_date, got 2013-09-02 to 2013-09-01",
        ),
    ],
)
def test_a_wrong_value_is_refused_with_the_rule(given: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError) as refused:
        params.validated(SCHEMA, given)
    assert str(refused.value) == sentence


def test_an_unknown_parameter_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown parameters \\['mambers'\\]"):
        params.validated(SCHEMA, {"mambers": 3})


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("members", "3", 3),
        ("search", "true", True),
        ("last_date", "2013-09-02", "2013-09-02"),
        ("epochs", "ten", "ten"),
    ],
)
def test_command_line_values_are_read_by_their_rule(name: str, text: str, value: object) -> None:
    assert params.parsed(SCHEMA[name], text) == value
