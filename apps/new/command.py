"""The command: ``python -m apps new NAME --from FILE.csv --label COLUMN``, or ``python -m apps new NAME --kind image --from FOLDER``."""

import argparse
import keyword
import re
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path

from apps.new import image, other, table
from apps.new.folder import judged
from apps.new.profile import Profile, profile
from apps.new.proposal import Proposal, propose
from apps.new.rendering import write
from infra import settings
from infra import spark as engine
from infra.settings import Settings
from infra.setup.annotated import AnnotatedFolder
from infra.setup.by_day import ByDay, today

REPOSITORY = Path(__file__).resolve().parents[2]
NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
TAKEN = ("new", "default", "test", "tests", "steps")
OF_TABLES = ("label", "positive", "time")
"""Options of the kind ``table`` alone."""


def main(argv: list[str]) -> None:
    """Make an application, or end with the sentence that says why not."""
    given = arguments().parse_args(argv)
    try:
        refuse(given.name)
        refuse_day(given.day)
        print(KINDS[given.kind](given))
    except (ValueError, OSError) as refused:
        raise SystemExit(f"apps new: {refused}") from None


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="apps new", description="Make an application of your own data, to be edited.")
    parser.add_argument("name", help="the app's name: its folder, its database, its DAGs")
    parser.add_argument("--kind", choices=KINDS, default="table", help="the kind of work")
    parser.add_argument(
        "--from",
        dest="source",
        required=True,
        metavar="FILE.csv|DB.TABLE|FOLDER",
        help="a CSV file with a header or a Hive table partitioned by days; of the kind image, a folder of annotated pictures",
    )
    for_tables = parser.add_argument_group("of the kind table")
    for_tables.add_argument("--label", default="", metavar="COLUMN", help="the column to be foretold, of two values")
    for_tables.add_argument("--positive", default="", metavar="VALUE", help="which of the two; else yes, or the rarer")
    for_tables.add_argument("--time", default="", metavar="COLUMN", help="the column of dates or times of the rows")
    parser.add_argument(
        "--day",
        default="",
        metavar="DATE",
        help="the day of all pictures, or without --time of all rows; else the file's",
    )
    return parser


def made_of_table(given: argparse.Namespace) -> str:
    """The application of a CSV file, or of a Hive table of another team."""
    if not given.label:
        raise ValueError("--label must name the column to be foretold, got none")
    known = settings.load()
    if not other.NAME.fullmatch(given.source):
        return of_file(given, known)
    spark = engine.session(f"apps new {given.name}", known, hive=True)
    try:
        found = other.profile(spark, given.source)
    finally:
        spark.stop()
    return of_other_table(given, found)


def of_file(given: argparse.Namespace, known: Settings) -> str:
    """Its files are written, and the rows land by day."""
    file, landing = Path(given.source).expanduser().resolve(), Path(known.landing)
    found = profile(file)
    day = "" if given.time else given.day or today(file)
    proposal = propose(given.name, found, label=given.label, time=given.time, positive=given.positive, day=day)
    refuse_landed(landing / given.name)
    files = table.files(proposal)
    write(REPOSITORY, files)
    rows(proposal).land(landing, known.state / "download" / given.name)
    first, last = proposal.days[0], proposal.days[-1]
    return said(proposal, files, f"{found.rows:,} rows of {first} to {last} landed below {landing / given.name}")


def of_other_table(given: argparse.Namespace, found: Profile) -> str:
    """Its files are written; the rows are read where they are."""
    proposal = propose(given.name, found, label=given.label, time=given.time, positive=given.positive, day="")
    files = table.files(proposal)
    write(REPOSITORY, files)
    return said(proposal, files, f"{found.rows:,} rows of {found.source}, {found.days[0]} to {found.days[-1]}")


def made_of_pictures(given: argparse.Namespace) -> str:
    """The application of a folder of annotated pictures: its files are written, and the pictures land as one day."""
    refuse_options_of_tables(given)
    folder, known = Path(given.source).expanduser().resolve(), settings.load()
    landing = Path(known.landing)
    if not folder.is_dir():
        raise ValueError(f"--from must name a folder of annotated pictures, got {given.source!r}")
    refuse_landed(landing / given.name)
    source = AnnotatedFolder(folder=folder, app=given.name, day=given.day or today(folder))
    proposal = image.Proposal(source=source, found=judged(source.found(), folder))
    files = image.files(proposal)
    write(REPOSITORY, files)
    source.land(landing, known.state / "download" / given.name)
    landed = f"all of it landed in {landing / given.name / f'ds={source.day}'}"
    return "\n".join([*files, *image.told(proposal), landed, next_of(given.name)])


def rows(proposal: Proposal) -> ByDay:
    """How the first rows land, as the app's own data.py says."""
    return ByDay(
        file=Path(proposal.source.source),
        app=proposal.app,
        delimiter=proposal.source.delimiter,
        time=proposal.time.title if proposal.time else "",
        form=proposal.form.form if proposal.form else "",
        day="" if proposal.time else proposal.days[0],
    )


def said(proposal: Proposal, files: Mapping[str, str], rows: str) -> str:
    """What was made, of which rows, and what comes next."""
    left = [f"left out: {name}, {why}" for name, why in proposal.left_out.items()]
    return "\n".join([*files, *left, rows, next_of(proposal.app)])


def next_of(app: str) -> str:
    return f"next: apps/{app}/README.md says how to run it by hand and in Airflow"


def refuse(name: str) -> None:
    """Refuse a name that Python, Hive or Airflow would not take, or that is taken."""
    if not NAME.fullmatch(name) or keyword.iskeyword(name) or name in TAKEN:
        raise ValueError(f"a name must be small letters, digits and _, begin with a letter and be free, got {name!r}")
    if (REPOSITORY / "apps" / name).exists():
        raise ValueError(f"there is an app named {name!r} already, and nothing is overwritten; choose another name")


def refuse_options_of_tables(given: argparse.Namespace) -> None:
    if strange := [f"--{name}" for name in OF_TABLES if getattr(given, name)]:
        they = "it is" if len(strange) == 1 else "they are"
        names = " and ".join(strange)
        raise ValueError(f"{names} must be left out, for {they} of the kind table, and this is of the kind image")


def refuse_landed(folder: Path) -> None:
    if folder.exists():
        raise FileExistsError(f"{folder} exists already, and nothing is overwritten; choose another name")


def refuse_day(day: str) -> None:
    try:
        good = not day or str(date.fromisoformat(day)) == day
    except ValueError:
        good = False
    if not good:
        raise ValueError(f"--day must be a date YYYY-MM-DD, got {day!r}")


KINDS: Mapping[str, Callable[[argparse.Namespace], str]] = {
    "table": made_of_table,
    "image": made_of_pictures,
}
"""Each kind of application -> the function that makes one and says what it made."""
