"""The objects of the namespace: a driver's account and its rights, the state's claim, settings, and Spark's configuration."""

from typing import Any

from infra.kubernetes import engine
from infra.kubernetes.deployment import ACCOUNT, SETTINGS, Deployment

SPARK = "emberline-spark"
RIGHTS = {
    ("", "pods"): ["create", "delete", "deletecollection", "get", "list", "patch", "watch"],
    ("", "configmaps"): ["create", "deletecollection", "patch"],
    ("", "services"): ["create", "deletecollection", "patch"],
    ("", "persistentvolumeclaims"): ["create", "delete", "deletecollection", "list"],
    ("networking.k8s.io", "networkpolicies"): ["create", "patch"],
}
"""What Spark 4.2 does as a driver to its executors' pods and what belongs to them, and as a client to those of a driver.

Services and network policies are of cluster mode alone; claims are made for executors that ask for volumes of their own.
"""


def manifests(deployment: Deployment) -> list[dict[str, Any]]:
    """Every object, in an order in which they can be applied."""
    account = named(deployment, "v1", "ServiceAccount", ACCOUNT)
    role = named(deployment, "rbac.authorization.k8s.io/v1", "Role", ACCOUNT)
    rules = [{"apiGroups": [group], "resources": [kind], "verbs": verbs} for (group, kind), verbs in RIGHTS.items()]
    return [
        account,
        role | {"rules": rules},
        binding(deployment),
        claim(deployment),
        named(deployment, "v1", "ConfigMap", SETTINGS) | {"data": deployment.environment()},
        named(deployment, "v1", "ConfigMap", SPARK) | {"data": engine.files(deployment)},
    ]


def named(deployment: Deployment, version: str, kind: str, name: str) -> dict[str, Any]:
    labels = {"app.kubernetes.io/part-of": "emberline"}
    metadata = {"name": name, "namespace": deployment.namespace, "labels": labels}
    return {"apiVersion": version, "kind": kind, "metadata": metadata}


def binding(deployment: Deployment) -> dict[str, Any]:
    """Gives the account its rights."""
    of_role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": ACCOUNT}
    account = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": deployment.namespace}
    empty = named(deployment, "rbac.authorization.k8s.io/v1", "RoleBinding", ACCOUNT)
    return empty | {"roleRef": of_role, "subjects": [account]}


def claim(deployment: Deployment) -> dict[str, Any]:
    """A claim of a volume that many nodes write, with file locks, such as NFS 4."""
    wanted = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": deployment.size}}}
    return named(deployment, "v1", "PersistentVolumeClaim", deployment.claim) | {"spec": wanted}
