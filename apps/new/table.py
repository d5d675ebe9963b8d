"""The kind of application that classifies dated rows of a table: its proposals as files."""

from collections.abc import Iterator

from apps.new.profile import Column
from apps.new.proposal import Proposal
from apps.new.rendering import rendered

TYPES = {"whole": "LongType", "number": "DoubleType", "time": "StringType", "text": "StringType"}
STEMS = ("columns", "gates", "model", "recipe")


def files(proposal: Proposal) -> dict[str, str]:
    """Every file of the application, by its path in the repository."""
    context = {
        "p": proposal,
        "type": type_of,
        "title": proposal.app.replace("_", " ").capitalize(),
        "doubles": doubles(proposal),
        "imports": imports(proposal),
        "stages": stages(proposal),
        "what": " and ".join(transformed(proposal)),
    }
    return rendered("table", paths(proposal), context)


def paths(proposal: Proposal) -> dict[str, str]:
    """Each file -> its template."""
    app = proposal.app
    more = {"data": not proposal.source.partition, "preparation": proposal.prepares}
    stems = [*STEMS, *[stem for stem, needed in more.items() if needed]]
    return {
        f"apps/{app}/__init__.py": "init.py.j2",
        **{f"apps/{app}/{stem}.py": f"{stem}.py.j2" for stem in sorted(stems)},
        f"apps/{app}/params.json": "params.json.j2",
        f"apps/{app}/README.md": "README.md.j2",
        f"dags/{app}_daily.py": "daily.py.j2",
        f"dags/{app}_training.py": "training.py.j2",
        f"tests/apps/{app}/test_rows.py": "test.py.j2",
    }


def type_of(column: Column) -> str:
    return TYPES[column.kind]


def doubles(proposal: Proposal) -> str:
    """The numbers of the feature table, as Python."""
    others = [name for name, there in (("MISSING", proposal.lacking), ("CLOCK", proposal.dates)) if there]
    return f"({', '.join(f'*{name}' for name in ['NUMBERS', *others])})" if others else "NUMBERS"


def imports(proposal: Proposal) -> list[str]:
    """The rules that the gates are made of."""
    clock = {"between"} if proposal.dates else set()
    return sorted({gate.rule for gate in proposal.gates} | {"mean_between", "one_of", "some_rows"} | clock)


def stages(proposal: Proposal) -> list[str]:
    """The stages of Spark ML that the pipeline is made of."""
    found = {"Imputer": proposal.lacking, "QuantileDiscretizer": proposal.skewed}
    texts = ["OneHotEncoder", "StringIndexer"] if proposal.texts else []
    return sorted([*[name for name, columns in found.items() if columns], *texts])


def transformed(proposal: Proposal) -> Iterator[str]:
    kinds = {"nulls": proposal.lacking, "texts": proposal.texts, "skewed numbers": proposal.skewed}
    yield from (name for name, columns in kinds.items() if columns)
