"""Templates into the files of an application, of which none may be there yet."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

TEMPLATES = Path(__file__).parent / "templates"


def rendered(kind: str, files: Mapping[str, str], context: Mapping[str, Any]) -> dict[str, str]:
    """Each file's text: ``files`` maps its path to the template of ``kind`` that it is made by."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES / kind),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters["py"] = literal
    return {path: environment.get_template(template).render(context) for path, template in files.items()}


def literal(value: Any) -> str:
    """A value as Python, in the quotation marks that ``ruff format`` leaves."""
    if isinstance(value, str):
        return repr(value) if value.count('"') > value.count("'") else json.dumps(value, ensure_ascii=False)
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return f"{int(value)}"
    return repr(value)


def write(root: Path, files: Mapping[str, str]) -> None:
    """Write new files below ``root``; where one is there already, refuse and write none."""
    if there := [path for path in files if (root / path).exists()]:
        raise FileExistsError(f"{', '.join(there)} exist already, and nothing is overwritten; choose another name")
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        with (root / path).open("x", encoding="utf-8") as file:
            file.write(text)
