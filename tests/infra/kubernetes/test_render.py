"""What is rendered: each document by Kubernetes' own schemas, the chart's values by its keys, and the settings as steps read them back."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from pydantic import SecretStr

from infra.airflow.service import REPOSITORY
from infra.kubernetes import engine
from infra.kubernetes.chart import values
from infra.kubernetes.container import command
from infra.kubernetes.deployment import STATE, Deployment
from infra.kubernetes.manifests import manifests
from infra.kubernetes.render import rendered
from infra.settings import Settings, load
from infra.setup.bootstrap import GPU_ONLY, UV

VERSIONS = ("1.32", "1.37")
"""Of Kubernetes: pods are checked by the schemas of both, and by none that allows a key which it does not know."""
KINDS = ("ServiceAccount", "Role", "RoleBinding", "PersistentVolumeClaim", "ConfigMap", "ConfigMap")


def closed(**properties: Any) -> dict[str, Any]:
    """The schema of an object of these keys and no others."""
    return {"type": "object", "properties": properties, "additionalProperties": False}


TEXT, NUMBER, SWITCH, OBJECT = ({"type": kind} for kind in ("string", "integer", "boolean", "object"))
OBJECTS = {"type": "array", "items": OBJECT}
COMPONENT = closed(logGroomerSidecar=closed(enabled=SWITCH))
CHART = closed(
    defaultAirflowRepository=TEXT,
    defaultAirflowTag=TEXT,
    airflowVersion=TEXT,
    executor=TEXT,
    uid=NUMBER,
    gid=NUMBER,
    securityContexts=closed(pod=OBJECT, containers=OBJECT),
    workers=closed(kubernetes=closed(serviceAccount=closed(create=SWITCH, name=TEXT))),
    env=OBJECTS,
    extraEnv=TEXT,
    extraEnvFrom=TEXT,
    volumes=OBJECTS,
    volumeMounts=OBJECTS,
    config={"type": "object", "additionalProperties": {"type": "object", "additionalProperties": TEXT}},
    migrateDatabaseJob=closed(args={"type": "array", "items": TEXT}),
    createUserJob=closed(enabled=SWITCH),
    scheduler=COMPONENT,
    triggerer=COMPONENT,
    dagProcessor=COMPONENT,
    statsd=closed(enabled=SWITCH),
)
"""The part of the chart's values that is used, as read in its file of values (that of Airflow 3.2) and its release notes to 1.22.0.

They are listed at airflow.apache.org/docs/helm-chart/1.22.0, under "Parameters reference".
"""


class Secretive(Settings):
    """Settings of which one is a secret."""

    token: SecretStr = SecretStr("")


@pytest.fixture
def deployment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    """With the settings of a cluster, and no others of this machine's."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("EMBERLINE_")]:
        monkeypatch.delenv(name)
    settings = load([f"state={tmp_path}", "metastore=thrift://hive:9083", "log_days=3", "spark_ui=true"])
    yield Deployment(settings=settings, image="registry.example:5000/team/emberline:1.4")


def strict(document: dict[str, Any]) -> None:
    """Refuse what one of the versions' schemas refuses, unknown keys too."""
    for version in VERSIONS:
        kubernetes_validate.validate(document, version, strict=True)


def pod_of(given: dict[str, Any]) -> dict[str, Any]:
    """A pod of Airflow's as the chart makes it of the values that concern pods."""
    container = {
        "name": "base",
        "image": f"{given['defaultAirflowRepository']}:{given['defaultAirflowTag']}",
        "env": given["env"] + yaml.safe_load(given["extraEnv"]),
        "envFrom": yaml.safe_load(given["extraEnvFrom"]),
        "volumeMounts": given["volumeMounts"],
        "securityContext": given["securityContexts"]["containers"],
    }
    spec = {
        "containers": [container],
        "volumes": given["volumes"],
        "securityContext": given["securityContexts"]["pod"],
        "serviceAccountName": given["workers"]["kubernetes"]["serviceAccount"]["name"],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "task"}, "spec": spec}


def test_every_object_is_kubernetes_own(deployment: Deployment) -> None:
    documents = list(yaml.safe_load_all(rendered("manifests", deployment)))
    assert tuple(document["kind"] for document in documents) == KINDS
    assert documents == manifests(deployment)
    for document in documents:
        strict(document)


@pytest.mark.parametrize("role", ["driver", "executor"])
def test_sparks_pods_are_kubernetes_own(deployment: Deployment, role: str) -> None:
    strict(yaml.safe_load(engine.files(deployment)[f"{role}.yaml"]))


def test_a_key_that_kubernetes_does_not_know_is_refused(deployment: Deployment) -> None:
    pod = engine.pod(deployment, "executor")
    pod["spec"]["containers"][0]["volumeMount"] = []
    with pytest.raises(kubernetes_validate.ValidationError, match="volumeMount"):
        strict(pod)


def test_the_values_are_the_charts_own_and_make_pods_of_kubernetes(deployment: Deployment) -> None:
    (given,) = yaml.safe_load_all(rendered("values", deployment))
    assert given == values(deployment)
    jsonschema.validate(given, CHART)
    strict(pod_of(given))
    with pytest.raises(jsonschema.ValidationError, match="executors"):
        jsonschema.validate(given | {"executors": "KubernetesExecutor"}, CHART)


def test_the_settings_are_read_back_as_they_were_set(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    (data,) = [
        each["data"] for each in manifests(deployment) if each["metadata"]["name"] == "emberline" and "data" in each
    ]
    assert set(data) == {f"EMBERLINE_{name}" for name in ("METASTORE", "LOG_DAYS", "SPARK_UI", "SPARK_MASTER", "STATE")}
    for name, value in data.items():
        monkeypatch.setenv(name, value)
    there = load()
    assert there == deployment.placed()
    assert (there.metastore, there.log_days, there.spark_ui) == ("thrift://hive:9083", 3, True)
    assert (str(there.state), there.landing) == (STATE, f"{STATE}/landing")


def test_no_secret_is_rendered(deployment: Deployment) -> None:
    secretive = Deployment(settings=Secretive(token=SecretStr("hunter2"), log_days=3), image="emberline:1")
    for what in ("manifests", "values"):
        text = rendered(what, secretive)
        assert "hunter2" not in text and "TOKEN" not in text
        assert "secretRef" in text


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"image": "emberline"}, "image must be repository:tag, got 'emberline'"),
        ({"image": "host:5000/emberline"}, "image must be repository:tag"),
        ({"namespace": "Ember line"}, "namespace must be letters in lower case, digits and hyphens, got 'Ember line'"),
        ({"claim": "-state"}, "claim must be"),
    ],
)
def test_what_kubernetes_would_refuse_is_refused_here(given: dict[str, str], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Deployment(**{"settings": load(), "image": "emberline:1", **given})  # type: ignore[arg-type]


def test_a_master_of_ones_own_is_kept(tmp_path: Path) -> None:
    master = "k8s://https://api.example:6443"
    deployment = Deployment(settings=load([f"state={tmp_path}", f"spark_master={master}"]), image="emberline:1")
    assert deployment.environment()["EMBERLINE_SPARK_MASTER"] == master
    assert master in values(deployment)["env"][1]["value"]


def test_the_command_prints_yaml_alone(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "infra", "kubernetes", "values", "--image", "emberline:1", "--claim", "files"]
    environment = os.environ | {"EMBERLINE_STATE": str(tmp_path)}
    said = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=True).stdout
    assert yaml.safe_load(said)["volumes"][0] == {"name": "state", "persistentVolumeClaim": {"claimName": "files"}}


def test_a_container_runs_what_it_is_given_and_what_it_writes_is_its_users_alone(tmp_path: Path) -> None:
    run = [sys.executable, "-m", "infra.kubernetes.container", "touch", "made"]
    subprocess.run(run, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(REPOSITORY)}, check=True)
    assert stat.S_IMODE((tmp_path / "made").stat().st_mode) == 0o600


def test_a_driver_is_submitted_where_its_pod_listens() -> None:
    given = ["driver", "--class", "org.apache.spark.deploy.PythonRunner", "local:///opt/emberline/apps/__main__.py"]
    bound = ["--conf", "spark.driver.bindAddress=10.0.0.7", "--deploy-mode", "client"]
    assert command(given, {"SPARK_DRIVER_BIND_ADDRESS": "10.0.0.7"}) == ["spark-submit", *bound, *given[1:]]


def test_the_image_is_built_of_what_set_up_installs() -> None:
    text = (REPOSITORY / "infra" / "kubernetes" / "Dockerfile").read_text()
    assert UV in text and f"'^({'|'.join(GPU_ONLY)})'" in text
    kept = (REPOSITORY / "infra" / "kubernetes" / "Dockerfile.dockerignore").read_text().splitlines()
    copied = {line.split()[1] for line in text.splitlines() if line.startswith("COPY ")}
    for name in copied:
        assert (REPOSITORY / name).exists() and f"!{name}" in kept
