"""Spark on Kubernetes: its configuration, and the pods that drivers and executors start from."""

from typing import Any

import yaml

from infra.kubernetes.deployment import (
    ACCOUNT,
    CONTAINER_SECURITY,
    POD_SECURITY,
    STATE_MOUNT,
    Deployment,
    environment_sources,
    state_volume,
)
from infra.spark import LOG4J

FOLDER = "/etc/emberline/spark"
"""Where the files are in Airflow's pods, from which steps are submitted: Spark's ``SPARK_CONF_DIR``."""


def files(deployment: Deployment) -> dict[str, str]:
    """The files of Spark's configuration folder, by name."""
    lines = [f"{name} {value}" for name, value in options(deployment).items()]
    return {
        "spark-defaults.conf": "\n".join(lines) + "\n",
        "driver.yaml": yaml.safe_dump(pod(deployment, "driver"), sort_keys=False),
        "executor.yaml": yaml.safe_dump(pod(deployment, "executor"), sort_keys=False),
        "log4j2.properties": LOG4J,
    }


def options(deployment: Deployment) -> dict[str, str]:
    """Spark's options that are the cluster's; the platform's own come from the settings, in each step."""
    return {
        "spark.kubernetes.namespace": deployment.namespace,
        "spark.kubernetes.container.image": deployment.image,
        "spark.kubernetes.authenticate.driver.serviceAccountName": ACCOUNT,
        "spark.kubernetes.driver.podTemplateFile": f"{FOLDER}/driver.yaml",
        "spark.kubernetes.executor.podTemplateFile": f"{FOLDER}/executor.yaml",
        "spark.driver.memory": deployment.settings.driver_memory,
        "spark.executor.instances": "2",
        "spark.executor.cores": "1",
        "spark.executor.memory": "2g",
        "spark.executor.memoryOverhead": "2g",  # Python and torch, beside the JVM: a pod that takes more is killed
    }


def pod(deployment: Deployment, role: str) -> dict[str, Any]:
    """The pod that Spark completes: it mounts the state, as its user, and of an executor nobody can talk to the cluster."""
    container = {
        "name": role,
        "image": deployment.image,
        "envFrom": environment_sources(),
        "securityContext": CONTAINER_SECURITY,
        "volumeMounts": [STATE_MOUNT],
    }
    spec = {
        "automountServiceAccountToken": role == "driver",
        "securityContext": POD_SECURITY,
        "containers": [container],
        "volumes": [state_volume(deployment.claim)],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"labels": {"app": "emberline"}}, "spec": spec}
