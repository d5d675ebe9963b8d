import shutil
import subprocess
import sys
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from infra.setup.jars import HBASE, KINDS, Damaged, Jars, digest, follow, ivy, java, mirrored
from infra.setup.provisions import cache_folder

VERSION = HBASE.version

MAVEN = """<settings xmlns="urn:maven-settings"><mirrors>
<mirror><id>other</id><mirrorOf>elsewhere</mirrorOf><url>http://elsewhere/</url></mirror>
<mirror><id>ours</id><mirrorOf>{of}</mirrorOf><url>{url}</url></mirror></mirrors></settings>"""
POM = """<project><modelVersion>4.0.0</modelVersion><groupId>org.apache.hbase</groupId>
<artifactId>{name}</artifactId><version>{version}</version></project>"""


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A mirror of Maven Central that has both modules, each a small jar that needs nothing, and a home that names it."""
    for name in HBASE.modules:
        place = tmp_path / "mirror" / "org" / "apache" / "hbase" / name / VERSION
        place.mkdir(parents=True)
        (place / f"{name}-{VERSION}.pom").write_text(POM.format(name=name, version=VERSION))
        with zipfile.ZipFile(place / f"{name}-{VERSION}.jar", "w") as jar:
            jar.writestr("name", name)
    (tmp_path / ".m2").mkdir()
    url = (tmp_path / "mirror").as_uri()
    (tmp_path / ".m2" / "settings.xml").write_text(MAVEN.format(of="central", url=url))
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path / "mirror"


@pytest.fixture
def jars(tmp_path: Path, mirror: Path) -> Jars:
    """What that mirror has, with its checksums."""
    files = sorted(mirror.rglob("*.jar"))
    (tmp_path / "sums").write_text("".join(f"{digest(file)}  {file.name}\n" for file in files))
    return Jars(cache=tmp_path / "cache", kind=replace(HBASE, checksums=tmp_path / "sums"))


def land(jars: Jars) -> None:
    environment = Path(sys.prefix)
    jars.land(ivy=ivy(environment), java=java(environment))


def test_what_is_there_is_found_whole_in_under_a_second_and_nothing_is_started() -> None:
    began = time.monotonic()
    for kind in KINDS.values():
        assert Jars(cache=cache_folder(), kind=kind).present()
        Jars(cache=cache_folder(), kind=kind).land(ivy=Path("/nowhere"), java="/nowhere")
    assert time.monotonic() - began < 2.0


def test_jars_are_fetched_from_the_mirror_that_maven_has_and_a_damaged_one_again(
    jars: Jars, capsys: pytest.CaptureFixture[str]
) -> None:
    land(jars)
    assert jars.present()
    assert sorted(file.name for file in jars.cache.iterdir()) == [".lock", f"hbase-{VERSION}"]
    damaged = jars.folder / f"hbase-thrift-{VERSION}.jar"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    assert not jars.present()
    land(jars)
    assert jars.present()
    assert f"refused {damaged}: absent, or not as sums has it" in capsys.readouterr().out


def test_other_jars_than_the_published_ones_are_refused_by_name_and_not_kept(jars: Jars) -> None:
    jars.kind.checksums.write_text(jars.kind.checksums.read_text().replace("0", "1"))
    with pytest.raises(Damaged, match=rf"absent or others are hbase-.*{VERSION}\.jar.*; nothing was kept"):
        land(jars)
    assert [file.name for file in jars.cache.iterdir()] == [".lock"]


def test_a_mirror_that_does_not_answer_is_said_by_ivy(jars: Jars, mirror: Path) -> None:
    shutil.rmtree(mirror)
    with pytest.raises(subprocess.CalledProcessError) as failed:
        land(jars)
    assert "not found" in failed.value.output
    assert not jars.folder.exists()


def test_only_a_mirror_of_central_is_taken(tmp_path: Path) -> None:
    settings = tmp_path / "settings.xml"
    assert mirrored(settings) is None
    settings.write_text(MAVEN.format(of="somewhere", url="http://ours/"))
    assert mirrored(settings) is None
    for of in ("*", "central", "external:*", "a, central"):
        settings.write_text(MAVEN.format(of=of, url="http://ours/?a=1&amp;b=2"))
        assert 'root="http://ours/?a=1&amp;b=2"' in str(mirrored(settings))


def test_a_fetch_says_how_far_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    line = "\t[SUCCESSFUL ] org.apache.hbase#hbase-client;2.6.1!hbase-client.jar (167ms)\n"
    assert follow([line] * 50 + ["the end\n"], 154).endswith("the end")
    assert capsys.readouterr().out == "      25 of 154 jars\n      50 of 154 jars\n"
