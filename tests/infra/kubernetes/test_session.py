"""A session by the rendered configuration, under Spark's own client of Kubernetes: its pods, their container, and the rights it takes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.airflow.service import REPOSITORY
from infra.kubernetes import engine
from infra.kubernetes.deployment import Deployment
from infra.kubernetes.manifests import RIGHTS
from infra.settings import load
from tests.infra.kubernetes.standin import Cluster
from tests.infra.kubernetes.test_render import strict

TASK = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "task", "uid": "7", "labels": {}},
    "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
}
QUICK = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1"
STEP = """
from infra.settings import load
from infra.spark import session
spark = session("check", load())
print("sum", spark.sparkContext.parallelize(range(10), 1).map(lambda number: number * number).sum())
spark.stop()
"""


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    """With the pod of the task that submits, and what it asked for once its step has ended."""
    deployment = Deployment(settings=load([f"state={tmp_path}"]), image="emberline:1")
    configuration, step, cluster = tmp_path / "conf", tmp_path / "step.py", Cluster(tmp_path)
    configuration.mkdir()
    for name, text in engine.files(deployment).items():
        (configuration / name).write_text(text.replace(engine.FOLDER, str(configuration)))
    step.write_text(STEP)
    environment = os.environ | {
        "EMBERLINE_STATE": str(tmp_path / "state"),
        "EMBERLINE_DRIVER_POD": "task",
        "EMBERLINE_SPARK_MASTER": cluster.master,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(REPOSITORY),
        "SPARK_CONF_DIR": str(configuration),
        "SPARK_SUBMIT_OPTS": QUICK,
    }
    small = {"spark.executor.instances": "1", "spark.executor.memory": "512m", "spark.executor.extraJavaOptions": QUICK}
    options = [part for name, value in small.items() for part in ("--conf", f"{name}={value}")]
    with cluster.running():
        cluster.make(TASK)
        command = ["spark-submit", "--master", cluster.master, *options, str(step)]
        said = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert said.stdout.splitlines()[-1:] == ["sum 285"], said.stderr
    return cluster


def test_tasks_run_in_pods_that_the_tasks_own_pod_owns(cluster: Cluster) -> None:
    (executor,) = [pod for pod in cluster.objects if pod["kind"] == "Pod" and pod is not TASK]
    (owner,) = executor["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"]) == ("Pod", "task", "7")
    assert executor["spec"]["automountServiceAccountToken"] is False
    assert executor["spec"]["securityContext"]["runAsNonRoot"] is True
    assert "state" in [volume["name"] for volume in executor["spec"]["volumes"]]
    for made in cluster.objects:
        if made is not TASK:
            strict(made)
    granted = {(verb, kind) for (_, kind), verbs in RIGHTS.items() for verb in verbs}
    assert cluster.uses <= granted
