"""The values of Airflow's official Helm chart (1.22.0), by which its pods run Emberline's DAGs and each task's pod is a Spark driver.

A step's driver is in the pod of its task, so it ends with it; the pod owns the executors' pods, which end with it too.
"""

import json
from importlib.metadata import version
from typing import Any

import yaml

from infra.airflow.service import POOLS
from infra.kubernetes import engine
from infra.kubernetes.deployment import (
    ACCOUNT,
    CONTAINER_SECURITY,
    HOME,
    POD_SECURITY,
    STATE,
    STATE_MOUNT,
    USER,
    Deployment,
    environment_sources,
    pods_own,
    state_volume,
)
from infra.kubernetes.manifests import SPARK

NO_GROOMER = {"logGroomerSidecar": {"enabled": False}}  # steps remove old logs, by the setting `log_days`


def values(deployment: Deployment) -> dict[str, Any]:
    """The whole file of values."""
    return {
        "defaultAirflowRepository": deployment.repository,
        "defaultAirflowTag": deployment.tag,
        "airflowVersion": version("apache-airflow"),
        "executor": "KubernetesExecutor",
        "uid": USER,
        "gid": USER,
        "securityContexts": {"pod": POD_SECURITY, "containers": CONTAINER_SECURITY},
        "workers": {"kubernetes": {"serviceAccount": {"create": False, "name": ACCOUNT}}},
        **environment(deployment),
        **volumes(deployment),
        "config": configuration(),
        "migrateDatabaseJob": {"args": ["bash", "-c", migration()]},
        "createUserJob": {"enabled": False},  # its password would be the one that everybody knows
        "scheduler": NO_GROOMER,
        "triggerer": NO_GROOMER,
        "dagProcessor": NO_GROOMER,
        "statsd": {"enabled": False},
    }


def environment(deployment: Deployment) -> dict[str, Any]:
    """The settings, Spark's configuration and the connections, in every container; the chart takes two of them as text."""
    placed = deployment.placed()
    extra = {"deploy-mode": "client", "namespace": deployment.namespace, "spark-binary": "spark-submit"}
    connections = {
        "SPARK_DEFAULT": {"conn_type": "spark", "host": placed.spark_master, "extra": extra},
        "LANDING": {"conn_type": "fs", "extra": {"path": placed.landing}},
    }
    told = {f"AIRFLOW_CONN_{name}": json.dumps(connection) for name, connection in connections.items()}
    return {
        "env": [{"name": name, "value": value} for name, value in ({"SPARK_CONF_DIR": engine.FOLDER} | told).items()],
        "extraEnv": yaml.safe_dump(pods_own(), sort_keys=False),
        "extraEnvFrom": yaml.safe_dump(environment_sources(), sort_keys=False),
    }


def volumes(deployment: Deployment) -> dict[str, Any]:
    """The state and Spark's configuration, in every container."""
    return {
        "volumes": [state_volume(deployment.claim), {"name": "spark", "configMap": {"name": SPARK}}],
        "volumeMounts": [STATE_MOUNT, {"name": "spark", "mountPath": engine.FOLDER, "readOnly": True}],
    }


def configuration() -> dict[str, dict[str, str]]:
    """Airflow's own settings: DAGs and plugins are the image's, and logs lie on the claim, where all pods read them."""
    return {
        "core": {"dags_folder": f"{HOME}/dags", "plugins_folder": f"{HOME}/infra/airflow/plugins"},
        "kubernetes_executor": {"delete_worker_pods_on_failure": "True"},  # with its executors' pods; its log stays
        "logging": {"base_log_folder": f"{STATE}/airflow/logs"},
        "usage_data_collection": {"enabled": "False"},
    }


def migration() -> str:
    """What makes Airflow's tables, and the pools in them, on each installation and upgrade of the chart."""
    pools = [f"airflow pools set {name} {slots} '{what}'" for name, (slots, what) in POOLS.items()]
    return " && ".join(["airflow db migrate", *pools])
