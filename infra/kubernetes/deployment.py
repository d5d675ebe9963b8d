"""What Emberline is on a Kubernetes cluster: one image, one namespace, one claim for all that it keeps, and its settings."""

import re
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from infra.settings import Settings

MOUNT = "/emberline"
STATE = f"{MOUNT}/state"
"""Below the volume's root, which is the cluster's: this folder is made by its user, who can shut it to others."""
HOME = "/opt/emberline"
API = "k8s://https://kubernetes.default.svc:443"
SETTINGS = SECRETS = ACCOUNT = "emberline"
USER = 50_000
"""User and group of every pod: what one writes, its user alone may read."""
POD_SECURITY: dict[str, Any] = {
    "runAsNonRoot": True,
    "runAsUser": USER,
    "runAsGroup": USER,
    "fsGroup": USER,
    "fsGroupChangePolicy": "OnRootMismatch",  # else each pod that starts would open the private files below to the group
    "seccompProfile": {"type": "RuntimeDefault"},
}
CONTAINER_SECURITY: dict[str, Any] = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
BY_POD = {"driver_address": "status.podIP", "driver_pod": "metadata.name"}
"""Settings that each pod has its own of, and the field of the pod that they are."""


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """An image ``repository:tag`` in a namespace, and the claim of its state, of ``size`` (a quantity of Kubernetes')."""

    settings: Settings
    image: str
    namespace: str = "emberline"
    claim: str = "state"
    size: str = "100Gi"

    def __post_init__(self) -> None:
        for name in ("namespace", "claim"):
            if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", value := getattr(self, name)):
                raise ValueError(f"{name} must be letters in lower case, digits and hyphens, got {value!r}")
        if not re.fullmatch(r"\S+:[\w.-]+", self.image) or "@" in self.image:
            raise ValueError(f"image must be repository:tag, got {self.image!r}; name the tag that was built")

    @property
    def repository(self) -> str:
        return self.image.rpartition(":")[0]

    @property
    def tag(self) -> str:
        return self.image.rpartition(":")[2]

    def placed(self) -> Settings:
        """The settings of steps there: those that are set here, but the state is the claim's and the master the cluster's."""
        given = {name: getattr(self.settings, name) for name in self.settings.model_fields_set - BY_POD.keys()}
        if not self.settings.spark_master.startswith("k8s://"):
            given["spark_master"] = API
        return type(self.settings)(**{**given, "state": STATE})

    def environment(self) -> dict[str, str]:
        """What is set, as steps read it; but for secrets, which a Secret of the cluster's holds under the same names."""
        placed = self.placed()
        given = {name: getattr(placed, name) for name in sorted(placed.model_fields_set - BY_POD.keys())}
        return {
            f"EMBERLINE_{name.upper()}": str(value) for name, value in given.items() if not isinstance(value, SecretStr)
        }


def environment_sources() -> list[dict[str, Any]]:
    """Where each container's environment comes from: the settings, and what is secret, where there is such a Secret."""
    return [
        {"configMapRef": {"name": SETTINGS}},
        {"secretRef": {"name": SECRETS, "optional": True}},
    ]


def pods_own() -> list[dict[str, Any]]:
    """The settings that a pod has its own of, as environment."""
    return [
        {"name": f"EMBERLINE_{name.upper()}", "valueFrom": {"fieldRef": {"fieldPath": path}}}
        for name, path in BY_POD.items()
    ]


def state_volume(claim: str) -> dict[str, Any]:
    return {"name": "state", "persistentVolumeClaim": {"claimName": claim}}


STATE_MOUNT = {"name": "state", "mountPath": MOUNT}
