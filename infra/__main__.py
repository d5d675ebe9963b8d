"""The platform's own commands: ``python -m infra check|demo|airflow|stop|kubernetes [--set field=value]``."""

import argparse
import json
import os
import sys
from typing import Any

import httpx

from infra import check, processes
from infra.airflow.demo import Demo
from infra.airflow.service import Service
from infra.hbase.service import Service as Hbase
from infra.kubernetes import render
from infra.kubernetes.deployment import Deployment
from infra.settings import Settings, load


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="infra", description="Services of the platform on this machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="take an app's days in and train on them")
    demo.add_argument("app", help="the app")
    demo.add_argument("--param", action="append", default=[], metavar="NAME=VALUE", help="a parameter of the run")
    commands.add_parser("check", help="try every address and folder of the settings")
    commands.add_parser("airflow", help="start Airflow and leave it running")
    commands.add_parser("stop", help="end Airflow and all that it started, and HBase")
    cluster = commands.add_parser("kubernetes", help="print what a Kubernetes cluster needs, as YAML")
    cluster.add_argument("what", choices=render.DOCUMENTS, help="objects for kubectl, or values for Airflow's chart")
    cluster.add_argument(
        "--image", required=True, metavar="REPOSITORY:TAG", help="built from infra/kubernetes/Dockerfile"
    )
    cluster.add_argument("--namespace", default=Deployment.namespace, help="where all of it is")
    cluster.add_argument("--claim", default=Deployment.claim, help="name of the claim of the state's volume")
    cluster.add_argument("--size", default=Deployment.size, help="size of that volume")
    for command in commands.choices.values():
        command.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="override a setting")
    return parser


def main(argv: list[str]) -> None:
    """Do one command; what cannot be done is one sentence and exit code 1."""
    given = arguments().parse_args(argv)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # a run is followed in a file or a pipe too
    processes.end_as_by_ctrl_c()
    try:
        settings = load(given.set)
        settings.keep_private()
        done = do(given, settings)
    except (ValueError, RuntimeError) as refused:
        raise SystemExit(str(refused)) from None
    except httpx.HTTPError as error:
        log = Service(settings=settings).log
        raise SystemExit(f"Airflow does not answer: {error}; it was stopped, or {log} says why") from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    raise SystemExit(0 if done else 1)


def do(given: argparse.Namespace, settings: Settings) -> bool:
    """Carry out the command, and say whether all went well."""
    service = Service(settings=settings)
    match given.command:
        case "check":
            return check.report(settings)
        case "demo":
            return Demo(service=service, app=given.app, conf=parameters(given.param)).perform()
        case "airflow":
            return up(service)
        case "kubernetes":
            size = {"namespace": given.namespace, "claim": given.claim, "size": given.size}
            print(render.rendered(given.what, Deployment(settings=settings, image=given.image, **size)), end="")
            return True
        case _:
            print("Airflow is stopped" if service.stop() else "no Airflow was running")
            print("HBase is stopped" if Hbase(settings=settings).stop() else "no HBase was running")
            return True


def up(service: Service) -> bool:
    """Start Airflow, or say that it runs already, and what ails it; say whether all of it is healthy."""
    running = service.leader is not None
    airflow, trouble = (service.client(), service.trouble()) if running else (service.start(), "")
    state = trouble or ("already runs" if running else "is up")
    print(f"Airflow at {airflow.url}: {state}; user admin, whose password is in {service.password_file()}")
    print("end it with: make stop")
    return not trouble


def parameters(pairs: list[str]) -> dict[str, Any]:
    """Read ``name=value`` pairs: numbers and switches by JSON, the rest as text; Airflow checks them by the DAG's schema."""
    return {name: _parsed(value) for name, _, value in (pair.partition("=") for pair in pairs)}


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


if __name__ == "__main__":
    os.umask(0o077)  # of Airflow, and of all that it starts, too
    main(sys.argv[1:])
