"""An Airflow plugin that shows a run's report and the Spark UIs of its steps at work, to whoever may see the DAG: tabs on the run's
page and on each task's.
"""

from html import escape
from typing import Any

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import requires_access_dag
from airflow.plugins_manager import AirflowPlugin
from fastapi import Depends, FastAPI
from fastapi.responses import HTMLResponse

from infra.airflow.results import named
from infra.settings import load

ALONE = {"Content-Security-Policy": "sandbox allow-scripts"}
"""A report is of an origin of its own: whatever came into it cannot act as who looks at it in Airflow."""

app = FastAPI(title="Emberline runs", dependencies=[Depends(requires_access_dag("GET", DagAccessEntity.RUN))])


@app.get("/spark/{dag_id}/{run_id:path}")
def spark(dag_id: str, run_id: str) -> HTMLResponse:
    """Links to the Spark UIs of a run's steps that are at work."""
    settings = load()
    if not settings.spark_ui:
        return HTMLResponse("<p>Steps show no Spark UI; set EMBERLINE_SPARK_UI=true, and start Airflow again.</p>")
    uis = {file.name: file.read_text() for file in sorted(settings.spark_uis(*named(dag_id, run_id)).glob("[!.]*"))}
    links = [
        f'<li><a href="{escape(address)}" target="_blank" rel="noopener">{escape(step)}</a></li>'
        for step, address in uis.items()
    ]
    return HTMLResponse(f"<ul>{''.join(links)}</ul>" if links else "<p>No step of this run is at work in Spark.</p>")


@app.get("/report/{dag_id}/{run_id:path}")
def report(dag_id: str, run_id: str) -> HTMLResponse:
    """The report of one run of one DAG, or a page that says that there is none yet."""
    settings = load()
    file = settings.report_file(*named(dag_id, run_id)).resolve()
    if not file.is_relative_to(settings.reports) or not file.is_file():
        return HTMLResponse(f"<p>Run {escape(run_id)} of {escape(dag_id)} has left no report yet.</p>", status_code=404)
    return HTMLResponse(file.read_text(), headers=ALONE)


class Reports(AirflowPlugin):
    """Emberline's reports in Airflow's own pages."""

    name = "emberline-reports"
    fastapi_apps: list[Any] = [  # noqa: RUF012 (the base class has it so)
        {"app": app, "url_prefix": "/emberline", "name": "emberline"}
    ]
    external_views: list[Any] = [  # noqa: RUF012
        {
            "name": name,
            "href": f"emberline/{page}/{{DAG_ID}}/{{RUN_ID}}",
            "destination": destination,
            "url_route": page if destination == "dag_run" else f"{page}-of-task",
        }
        for name, page in (("Report", "report"), ("Spark", "spark"))
        for destination in ("dag_run", "task_instance")
    ]
