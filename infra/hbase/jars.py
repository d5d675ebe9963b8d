"""The jars of HBase and its Thrift server, fetched once a machine into a cache outside the checkout: ``python -m infra.hbase.jars``.

Ivy, which Spark brings along, fetches them; no Maven is asked for. Standard library alone: this is a stage of set-up.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

from infra import jre

VERSION = "2.6.1"
MODULES = ("hbase-server", "hbase-thrift")
CHECKSUMS = Path(__file__).with_name("jars.sha256")
PROGRESS_EVERY = 25
PATTERN = "[artifact]-[revision](-[classifier]).[ext]"


class Damaged(ValueError):
    """What was fetched is not what the committed checksums name."""


def cache() -> Path:
    """The folder that every checkout of this user shares."""
    if named := os.environ.get("EMBERLINE_CACHE"):
        return Path(named).expanduser().resolve()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser().resolve() / "emberline"


def folder(cache: Path) -> Path:
    """Where the jars are, all of them or none."""
    return cache / f"hbase-{VERSION}"


def present(cache: Path) -> bool:
    """Whether every jar is there, byte for byte (0.1 s)."""
    return not wrong(folder(cache))


def land(cache: Path, *, python: Path, java: str) -> None:
    """Bring every jar into ``cache`` with ``java`` and the Ivy of the environment of ``python``; what is there stays.

    One that is interrupted leaves what Ivy has got so far, and goes on from there when it is run again.
    """
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another checkout may be at it
        if present(cache):
            return
        _say_damaged(folder(cache))
        aside = cache / f"hbase-{VERSION}.partial"
        shutil.rmtree(aside, ignore_errors=True)
        fetch(aside, cache / "ivy", ivy=ivy(python), java=java)
        verify(aside, cache / "ivy")
        shutil.rmtree(folder(cache), ignore_errors=True)
        aside.rename(folder(cache))
        shutil.rmtree(cache / "ivy")


def expected() -> dict[str, str]:
    """The SHA-256 of each jar by its name, as committed."""
    return {name: digest for digest, name in (line.split() for line in CHECKSUMS.read_text().splitlines())}


def wrong(folder: Path) -> list[str]:
    """The jars that are absent, differ from their checksum, or are none of ours."""
    found = {file.name: digest(file) for file in folder.iterdir()} if folder.exists() else {}
    names = expected()
    return sorted(name for name in names.keys() | found.keys() if names.get(name) != found.get(name))


def digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def verify(fetched: Path, ivy: Path) -> None:
    """Refuse jars that are not the committed ones by their names, and forget what Ivy kept, so that the next run fetches anew."""
    if names := wrong(fetched):
        shutil.rmtree(fetched)
        shutil.rmtree(ivy)
        raise Damaged(
            f"HBase's jars must be those of {CHECKSUMS.name}, got {len(names)} others or none: {', '.join(names[:5])}; "
            "nothing was kept. Run it again, with another mirror in ~/.m2/settings.xml if this one serves changed files"
        )


def fetch(target: Path, kept: Path, *, ivy: Path, java: str) -> None:
    """Let Ivy resolve the modules and copy every jar to ``target``, with a line of progress now and then."""
    kept.mkdir(parents=True, exist_ok=True)
    (kept / "ivy.xml").write_text(module())
    command = [java, f"-Divy.default.ivy.user.dir={kept}", "-jar", str(ivy), "-ivy", str(kept / "ivy.xml")]
    if settings := mirrored(Path("~/.m2/settings.xml").expanduser()):
        (kept / "ivysettings.xml").write_text(settings)
        command += ["-settings", str(kept / "ivysettings.xml")]
    command += ["-retrieve", f"{target}/{PATTERN}", "-types", "jar", "bundle", "-confs", "runtime"]
    print(f"      fetching {len(expected())} jars, 108 MB, into {kept.parent}", flush=True)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        last = _follow(process.stdout or ())
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, output=last)


def _follow(lines: Iterable[str]) -> str:
    """Count the jars as Ivy gets them; what it said last, which tells why if it fails."""
    count, last = 0, [""]
    for line in lines:
        last = [*last[-20:], line.rstrip()]
        if "[SUCCESSFUL ]" in line and line.rstrip(" ms)0123456789(\n").endswith(".jar"):
            count += 1
            if count % PROGRESS_EVERY == 0:
                print(f"      {count} of {len(expected())} jars", flush=True)
    return "\n".join(last)


def module() -> str:
    """Ivy's description of what is wanted, with all that it needs to run."""
    wanted = "\n".join(
        f'<dependency org="org.apache.hbase" name="{name}" rev="{VERSION}" conf="runtime->default"/>'
        for name in MODULES
    )
    return (
        '<ivy-module version="2.0"><info organisation="emberline" module="hbase"/>\n'
        f'<configurations><conf name="runtime"/></configurations>\n<dependencies>\n{wanted}\n</dependencies></ivy-module>\n'
    )


def mirrored(settings: Path) -> str | None:
    """Ivy's settings for the mirror of Maven Central that Maven's own name, or None where they name none."""
    if not settings.exists():
        return None
    for mirror in ElementTree.parse(settings).iterfind(".//{*}mirror"):
        of, url = mirror.findtext("{*}mirrorOf", ""), mirror.findtext("{*}url", "")
        if {"*", "central", "external:*"} & {name.strip() for name in of.split(",")}:
            return (
                '<ivysettings><settings defaultResolver="mirror"/><resolvers>'
                f'<ibiblio name="mirror" m2compatible="true" root={quoteattr(url.strip())}/></resolvers></ivysettings>\n'
            )
    return None


def ivy(python: Path) -> Path:
    """The Ivy that PySpark carries in the environment of ``python``."""
    found = sorted((python.parent.parent / "lib").glob("python3.*/site-packages/pyspark/jars/ivy-*.jar"))
    if not found:
        raise FileNotFoundError(f"no Ivy beside PySpark in the environment of {python}; run: make setup")
    return found[0]


def _say_damaged(folder: Path) -> None:
    for name in wrong(folder) if folder.exists() else ():
        print(f"      refused {folder / name}: absent, or not of the checksum in {CHECKSUMS.name}", flush=True)


def runtime(environment: Path) -> str:
    """The Java of an environment: the one that set-up made there, else the machine's."""
    made = environment / "jre" / "bin" / "java"
    if made.exists():
        return str(made)
    if found := jre.found():
        return found.program
    raise FileNotFoundError(f"no Java in {environment} and none on this machine; run: make setup")


def main() -> None:
    where = cache()
    if present(where):
        return
    try:
        land(where, python=Path(sys.executable), java=runtime(Path(sys.prefix)))
    except (Damaged, OSError) as failed:
        raise SystemExit(f"HBase's jars were not fetched: {failed}") from None
    except subprocess.CalledProcessError as failed:
        raise SystemExit(f"HBase's jars were not fetched; run it again. Ivy said:\n{failed.output}") from None
    print(f"      HBase {VERSION}: {folder(where)}")


if __name__ == "__main__":
    main()
