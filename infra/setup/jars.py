"""Jars of HBase, and of the HDFS and YARN of tests and benches, fetched once a machine into a cache outside the checkout.

``python -m infra.setup.jars KIND``. Ivy, which Spark brings along, fetches them; no Maven is asked for. Standard library alone: this
is a stage of set-up.
"""

import fcntl
import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

from infra.setup import jre
from infra.setup.provisions import cache_folder

PROGRESS_EVERY = 25
PATTERN = "[artifact]-[revision](-[classifier]).[ext]"
FETCHED = re.compile(r"\[SUCCESSFUL \] \S+\.jar ")


class Damaged(ValueError):
    """What was fetched is not what the committed checksums name."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What is fetched together: ``modules`` of one version, ``whole`` with all that they need to run.

    ``checksums`` names every jar that this comes to, each line a SHA-256 and a file.
    """

    name: str
    organisation: str
    version: str
    modules: tuple[str, ...]
    whole: bool
    size: str
    checksums: Path


HBASE = Kind(
    name="hbase",
    organisation="org.apache.hbase",
    version="2.6.1",
    modules=("hbase-server", "hbase-thrift"),
    whole=True,
    size="108 MB, about 3 minutes",
    checksums=Path(__file__).with_name("hbase.sha256"),
)
HADOOP = Kind(
    name="hadoop",
    organisation="org.apache.hadoop",
    version="3.5.0",
    modules=("hadoop-client-minicluster",),
    whole=False,  # with the jars that PySpark brings it is a NameNode and a DataNode
    size="56 MB",
    checksums=Path(__file__).with_name("hadoop.sha256"),
)
YARN = Kind(
    name="bouncycastle",
    organisation="org.bouncycastle",
    version="1.82",
    modules=("bcprov-jdk18on", "bcpkix-jdk18on", "bcutil-jdk18on"),
    whole=False,  # with Hadoop's it is a ResourceManager and a NodeManager
    size="11 MB",
    checksums=Path(__file__).with_name("bouncycastle.sha256"),
)
KINDS = {kind.name: kind for kind in (HBASE, HADOOP, YARN)}


@dataclass(frozen=True, kw_only=True)
class Jars:
    """The jars of a kind below ``cache``: all of them, byte for byte, or none."""

    cache: Path
    kind: Kind = HBASE

    @property
    def folder(self) -> Path:
        """Where they are."""
        return self.cache / f"{self.kind.name}-{self.kind.version}"

    def present(self) -> bool:
        """Whether every jar is there as it should be (0.1 s)."""
        return not self.wrong(self.folder)

    def land(self, *, ivy: Path, java: str) -> None:
        """Bring them into the cache; where they are, nothing is done.

        A fetch that is interrupted leaves what Ivy has got so far, and goes on from there when it is run again.
        """
        self.cache.mkdir(parents=True, exist_ok=True)
        with (self.cache / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # another checkout may be at it
            if not self.present():
                self._replace(ivy, java)

    def wrong(self, folder: Path) -> list[str]:
        """The files of a folder that are absent, differ from their checksum, or are none of ours."""
        found = {file.name: digest(file) for file in folder.iterdir()} if folder.exists() else {}
        named = self._expected()
        return sorted(name for name in named.keys() | found.keys() if named.get(name) != found.get(name))

    def _expected(self) -> dict[str, str]:
        return {name: digest for digest, name in map(str.split, self.kind.checksums.read_text().splitlines())}

    def _replace(self, ivy: Path, java: str) -> None:
        """Fetch everything aside, and put it in its place once it is right."""
        for name in self.wrong(self.folder) if self.folder.exists() else ():
            print(
                f"      refused {self.folder / name}: absent, or not as {self.kind.checksums.name} has it", flush=True
            )
        aside, kept = self.folder.with_name(f"{self.folder.name}.partial"), self.cache / "ivy"
        shutil.rmtree(aside, ignore_errors=True)
        self._fetch(aside, kept, ivy, java)
        self._verify(aside, kept)
        shutil.rmtree(self.folder, ignore_errors=True)
        aside.rename(self.folder)
        shutil.rmtree(kept)

    def _fetch(self, target: Path, kept: Path, ivy: Path, java: str) -> None:
        """Let Ivy resolve the modules and copy every jar to ``target``; ``kept`` is its own cache."""
        kept.mkdir(parents=True, exist_ok=True)
        (kept / "ivy.xml").write_text(module(self.kind))
        command = [java, f"-Divy.default.ivy.user.dir={kept}", "-jar", str(ivy), "-ivy", str(kept / "ivy.xml")]
        if settings := mirrored(Path("~/.m2/settings.xml").expanduser()):
            (kept / "ivysettings.xml").write_text(settings)
            command += ["-settings", str(kept / "ivysettings.xml"), "-cache", str(kept / "cache")]
        command += ["-retrieve", f"{target}/{PATTERN}", "-types", "jar", "bundle", "-confs", "runtime"]
        count = len(self._expected())
        print(f"      fetching {self.folder.name} into {self.cache} (jars: {count}, {self.kind.size})", flush=True)
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            last = follow(process.stdout or (), count)
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command, output=last)

    def _verify(self, fetched: Path, kept: Path) -> None:
        """Refuse other jars by their names, and forget what Ivy kept, so that the next run fetches anew."""
        if names := self.wrong(fetched):
            shutil.rmtree(fetched, ignore_errors=True)
            shutil.rmtree(kept)
            raise Damaged(
                f"the jars must be those of {self.kind.checksums.name}; absent or others are {', '.join(names[:5])}"
                f"{' ...' if names[5:] else ''}; nothing was kept. Run it again, with another mirror in ~/.m2/settings.xml "
                "if this one serves changed files"
            )


def digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def follow(lines: Iterable[str], expected: int) -> str:
    """Count the jars as Ivy gets them; the end of what it said, which tells why if it fails."""
    count = 0
    last: list[str] = []
    for line in lines:
        last = [*last[-20:], line.rstrip()]
        if FETCHED.search(line):
            count += 1
            if count % PROGRESS_EVERY == 0:
                print(f"      {count} of {expected} jars", flush=True)
    return "\n".join(last)


def module(kind: Kind) -> str:
    """Ivy's description of what is wanted."""
    needed = "default" if kind.whole else "master"
    wanted = "\n".join(
        f'<dependency org="{kind.organisation}" name="{name}" rev="{kind.version}" conf="runtime->{needed}"/>'
        for name in kind.modules
    )
    return (
        f'<ivy-module version="2.0"><info organisation="emberline" module="{kind.name}"/>\n'
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


def ivy(environment: Path) -> Path:
    """The Ivy that PySpark carries in an environment."""
    found = sorted((environment / "lib").glob("python3.*/site-packages/pyspark/jars/ivy-*.jar"))
    if not found:
        raise FileNotFoundError(f"no Ivy beside PySpark in {environment}; run: make setup")
    return found[0]


def java(environment: Path) -> str:
    """The Java of an environment: the one that set-up made there, else the machine's."""
    made = environment / "jre" / "bin" / "java"
    if made.exists():
        return str(made)
    if found := jre.found():
        return found.program
    raise FileNotFoundError(f"no Java in {environment} and none on this machine; run: make setup")


def main(kind: Kind) -> None:
    jars = Jars(cache=cache_folder(), kind=kind)
    if jars.present():
        return
    environment = Path(sys.prefix)
    try:
        jars.land(ivy=ivy(environment), java=java(environment))
    except (Damaged, OSError) as failed:
        raise SystemExit(f"{jars.folder.name} was not fetched: {failed}") from None
    except subprocess.CalledProcessError as failed:
        raise SystemExit(f"{jars.folder.name} was not fetched; run it again. Ivy said:\n{failed.output}") from None
    except KeyboardInterrupt:
        raise SystemExit("\nthe fetch was interrupted; run it again, and it goes on from here") from None
    print(f"      {jars.folder}")


if __name__ == "__main__":
    main(KINDS[sys.argv[1] if sys.argv[1:] else "hbase"])
