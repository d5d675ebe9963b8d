import socket
from contextlib import suppress
from pathlib import Path
from threading import Thread

import pytest

from infra import check, trial
from infra.airflow.service import Service
from infra.hbase.service import Service as Hbase
from infra.settings import load


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    file = tmp_path / "landing" / "fraud" / "ds=2013-09-01" / "transactions.csv"
    file.parent.mkdir(parents=True)
    file.write_text("Time\n")
    return tmp_path


def test_every_address_and_folder_gets_a_sentence(landing: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check.report(load([f"state={landing}"]))
    said = capsys.readouterr().out
    for named in (
        "state",
        "warehouse",
        "registry",
        "landing",
        "spark_master",
        "driver_address",
        "Java",
        "MKL",
        "Airflow",
    ):
        assert f"ok         {named}" in said
    assert "not tried  metastore: embedded" in said
    assert "not tried  HBase: embedded" in said
    for tried in (
        "it starts, and its Hive metastore answers",
        "executors run this Python",
        "warehouse takes a new file",
    ):
        assert f"ok         a step's session: {tried}" in said
    assert f"landing can be listed: fraud in {landing}/landing" in said


def test_an_hbase_that_does_not_answer_is_named(landing: Path) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        nobody = f"127.0.0.1:{held.getsockname()[1]}"
        good, sentence = check.hbase(load([f"state={landing}", f"hbase_thrift={nobody}"]))
    assert not good and sentence.startswith(f"HBase at {nobody} does not answer; ")


def test_a_running_hbase_answers(hbase: Hbase) -> None:
    address = hbase.start()
    assert check.hbase(hbase.settings) == (True, f"HBase answers at {address.hosts[0]}")
    assert check.hbase(load([f"hbase_thrift={address.hosts[0]}"])) == (True, f"HBase answers at {address.hosts[0]}")


def test_what_fails_is_said_and_counts(landing: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        nobody = f"127.0.0.1:{held.getsockname()[1]}"
        (landing / "file").touch()
        overrides = [f"state={landing}", f"landing={landing}/nothing", f"warehouse={landing}/file/inside"]
        overrides += [f"metastore=thrift://{nobody}", f"spark_master=spark://{nobody}"]
        overrides += [
            "registry=hdfs://models",
            "airflow_host=192.0.2.1",
            "driver_address=192.0.2.1",
        ]  # an address that is nobody's own
        assert not check.report(load(overrides))
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == "not tried  a step's session: it is tried once all that failed above is good"
    failed = [line for line in said if line.startswith("FAIL")]
    assert len(failed) == 7
    for named in ("warehouse", "registry", "landing", "metastore", "spark_master", "driver_address", "Airflow"):
        assert any(named in line for line in failed)


@pytest.mark.parametrize(
    "finding",
    [check.warehouse("s3a://bucket/tables"), check.landing("hdfs://nameservice/landing"), check.master("yarn")],
)
def test_what_cannot_be_tried_is_said_and_no_failure(finding: trial.Finding) -> None:
    good, _ = finding
    assert good is None


def test_a_file_systems_own_address_is_tried() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        place = f"hdfs://127.0.0.1:{server.getsockname()[1]}/tables"
        assert check.warehouse(place) == (True, f"warehouse {place} answers")
    good, sentence = check.landing(place)
    assert not good
    assert f"landing {place} does not answer" in sentence


def test_the_api_of_kubernetes_is_tried_and_its_port_must_be_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        host = f"127.0.0.1:{server.getsockname()[1]}"
        for protocol in ("", "http://", "https://"):
            assert check.master(f"k8s://{protocol}{host}")[0] is True
    good, sentence = check.master(f"k8s://https://{host}")
    assert not good and f"spark_master https://{host} does not answer" in sentence
    good, sentence = check.master("k8s://https://kubernetes.default.svc")
    assert not good and "must name the port too" in sentence


def test_an_airflow_that_is_still_starting_gets_a_sentence(silent_airflow: Path) -> None:
    settings = load([f"state={silent_airflow}"])
    good, sentence = check.airflow(settings)
    assert not good
    assert f"Airflow at {Service(settings=settings).client().url} does not answer" in sentence


def test_an_address_that_answers_is_good(landing: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        good, sentence = check.metastore(
            load([f"state={landing}", f"metastore=thrift://127.0.0.1:{server.getsockname()[1]}"])
        )
    assert good
    assert sentence.endswith("answers")


def test_what_answers_but_serves_no_step_fails(landing: Path) -> None:
    """A port that accepts connections and hangs up is no metastore."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            with suppress(OSError):  # the server is closed at the end
                while True:
                    server.accept()[0].close()

        Thread(target=hang_up, daemon=True).start()
        address = f"thrift://127.0.0.1:{server.getsockname()[1]}"
        found = trial.findings(load([f"state={landing}", f"metastore={address}"]))
    assert found == [
        (
            False,
            f"a step's session: the Hive metastore {address} did not answer; start it, or correct the setting `metastore`",
        )
    ]
