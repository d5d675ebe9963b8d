"""An Airflow plugin that shows a run's report: a tab on the run's page, served to whoever may see the DAG."""

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

app = FastAPI(title="Emberline reports", dependencies=[Depends(requires_access_dag("GET", DagAccessEntity.RUN))])


@app.get("/{dag_id}/{run_id:path}")
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
        {"app": app, "url_prefix": "/reports", "name": "reports"}
    ]
    external_views: list[Any] = [  # noqa: RUF012
        {
            "name": "Report",
            "href": "reports/{DAG_ID}/{RUN_ID}",
            "destination": "dag_run",
            "url_route": "report",
        },
        {
            "name": "Report",
            "href": "reports/{DAG_ID}/{RUN_ID}",
            "destination": "task_instance",
            "url_route": "report_of_task",
        },
    ]
