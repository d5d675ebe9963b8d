"""Pictures for the README, of a run that `make demo` left and of the running Airflow's form: ``python -m tests.pictures fraud``."""

import sys

from playwright.sync_api import Page, sync_playwright

from infra.airflow.service import REPOSITORY, Service
from infra.settings import load
from tests.chromium import EXECUTABLE, FLAGS, PATIENCE_MS

WIDTH, HEIGHT = 1300, 1000
INTO = REPOSITORY / "docs"


def main(app: str) -> None:
    """Take the newest report of a training (else of a day), and the form that triggers one."""
    service = Service(settings=load())
    airflow = service.client()
    dags = [dag["dag_id"] for dag in airflow.call("GET", "dags", limit=100, tags=app)["dags"]]
    dag = next((dag for dag in dags if dag.endswith("_training")), f"{app}_daily")
    report = next(file for run in airflow.runs(dag) if (file := service.report(dag, run["dag_run_id"])).exists())
    INTO.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=EXECUTABLE, args=FLAGS.split())
        page = chromium.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.set_default_timeout(PATIENCE_MS)
        shown(page, report.as_uri(), app)
        form(page, service, f"{airflow.url}/dags/{dag}")
        page.screenshot(path=INTO / f"{app}-form.png")
        chromium.close()
    print(f"pictures of {report.name} and of the form of {dag} are in {INTO}")


def shown(page: Page, address: str, app: str) -> None:
    """The top of a report, and the top of each section with pictures."""
    page.goto(address)
    page.wait_for_timeout(2000)  # the plots are drawn by a script
    page.screenshot(path=INTO / f"{app}-report.png")
    for section in page.locator("section:has(.tiles)").all():
        section.evaluate("element => element.scrollIntoView()")
        page.screenshot(path=INTO / f"{app}-report-{section.get_attribute('id')}.png")


def form(page: Page, service: Service, address: str) -> None:
    """Log in, and open the form."""
    page.goto(address)
    page.fill("input[name=username]", "admin")
    page.fill("input[name=password]", service.password().get_secret_value())
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{address}*")
    page.get_by_role("button", name="Trigger").first.click()
    page.locator("[name=dagRunId], [name^=element_]").first.wait_for()
    page.wait_for_timeout(1000)


if __name__ == "__main__":
    main(sys.argv[1])
