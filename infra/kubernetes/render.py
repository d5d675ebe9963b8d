"""What is rendered, as YAML: ``manifests`` for kubectl, ``values`` for Airflow's chart."""

from collections.abc import Callable
from typing import Any

import yaml

from infra.kubernetes.chart import values
from infra.kubernetes.deployment import Deployment
from infra.kubernetes.manifests import manifests

DOCUMENTS: dict[str, Callable[[Deployment], list[dict[str, Any]]]] = {
    "manifests": manifests,
    "values": lambda deployment: [values(deployment)],
}


class Dumper(yaml.SafeDumper):
    """Writes text of several lines as such, and no value by reference to another."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


Dumper.add_representer(str, text)


def rendered(what: str, deployment: Deployment) -> str:
    """The documents, each after a line that begins it."""
    documents = DOCUMENTS[what](deployment)
    return yaml.dump_all(documents, Dumper=Dumper, explicit_start=True, sort_keys=False, width=140)
