"""The command: ``python -m apps new NAME --kind table --from FILE.csv --label COLUMN [--time COLUMN]``."""

import argparse
import keyword
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from apps.new import table
from apps.new.profile import profile
from apps.new.proposal import Proposal, propose
from apps.new.rendering import write
from infra import settings
from infra.setup.by_day import ByDay, today

REPOSITORY = Path(__file__).resolve().parents[2]
NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
TAKEN = ("new", "default", "test", "tests", "steps")


def main(argv: list[str]) -> None:
    """Make an application, or end with the sentence that says why not."""
    given = arguments().parse_args(argv)
    try:
        refuse(given.name)
        print(KINDS[given.kind](given))
    except (ValueError, OSError) as refused:
        raise SystemExit(f"apps new: {refused}") from None


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="apps new", description="Make an application of your own data, to be edited.")
    parser.add_argument("name", help="the app's name: its folder, its database, its DAGs")
    parser.add_argument("--kind", choices=KINDS, default="table", help="the kind of work")
    parser.add_argument("--from", dest="source", required=True, metavar="FILE.csv", help="a CSV file with a header")
    parser.add_argument("--label", required=True, metavar="COLUMN", help="the column to be foretold, of two values")
    parser.add_argument("--positive", default="", metavar="VALUE", help="which of the two; else yes, or the rarer one")
    parser.add_argument("--time", default="", metavar="COLUMN", help="the column of dates or times that rows go by")
    parser.add_argument(
        "--day", default="", metavar="DATE", help="without --time, the day of all rows; else the file's"
    )
    return parser


def made_of_table(given: argparse.Namespace) -> str:
    """The application of a CSV file: its files are written, its rows land by day."""
    file = Path(given.source).expanduser().resolve()
    found = profile(file)
    refuse_day(given.day)
    day = "" if given.time else given.day or today(file)
    proposal = propose(given.name, found, label=given.label, time=given.time, positive=given.positive, day=day)
    landing, state = Path(settings.load().landing), settings.load().state
    if (landing / given.name).exists():
        raise FileExistsError(f"{landing / given.name} exists already, and nothing is overwritten; choose another name")
    files = table.files(proposal)
    write(REPOSITORY, files)
    rows(proposal).land(landing, state / "download" / given.name)
    return said(proposal, files, landing)


def rows(proposal: Proposal) -> ByDay:
    """How the first rows land, as the app's own data.py says."""
    return ByDay(
        file=proposal.source.file,
        app=proposal.app,
        delimiter=proposal.source.delimiter,
        time=proposal.time.title if proposal.time else "",
        form=proposal.form.form if proposal.form else "",
        day="" if proposal.time else proposal.days[0],
    )


def said(proposal: Proposal, files: Mapping[str, str], landing: Path) -> str:
    """What was made, and what comes next."""
    app, (first, *_, last) = proposal.app, (proposal.days[0], proposal.days[-1])
    left = [f"left out: {name}, {why}" for name, why in proposal.left_out.items()]
    return "\n".join(
        [
            *files,
            *left,
            f"{proposal.source.rows:,} rows of {first} to {last} landed below {landing / app}",
            f"next: apps/{app}/README.md says how to run it by hand and in Airflow",
        ]
    )


def refuse(name: str) -> None:
    """Refuse a name that Python, Hive or Airflow would not take, or that is taken."""
    if not NAME.fullmatch(name) or keyword.iskeyword(name) or name in TAKEN:
        raise ValueError(f"a name must be small letters, digits and _, begin with a letter and be free, got {name!r}")
    if (REPOSITORY / "apps" / name).exists():
        raise ValueError(f"there is an app named {name!r} already, and nothing is overwritten; choose another name")


def refuse_day(day: str) -> None:
    if day and not re.fullmatch(r"\d{4}-\d\d-\d\d", day):
        raise ValueError(f"--day must be a date YYYY-MM-DD, got {day!r}")


KINDS: Mapping[str, Callable[[argparse.Namespace], str]] = {"table": made_of_table}
"""Each kind of application -> the function that makes one and says what it made."""
