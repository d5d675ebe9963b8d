"""Airflow in real Chromium, as an operator sees it; pictures stay below the state folder."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from infra.settings import load
from tests.services import TRAINING, Stand

EXECUTABLE = shutil.which("chromium")
FLAGS = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
FLAGS += " --disable-component-update --disable-sync"
PATIENCE_MS = 60_000
PICTURES = load().state / "pictures"


@pytest.fixture(scope="session")
def browser(stand: Stand) -> Iterator[Page]:
    """A page that is logged in."""
    if EXECUTABLE is None:
        pytest.skip("no `chromium` on PATH; .ci/run installs Debian's, and where it is there this is not skipped")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=EXECUTABLE, args=FLAGS.split())
        page = chromium.new_page(viewport={"width": 1400, "height": 1800})
        page.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        page.goto(f"{stand.airflow.url}/dags/{TRAINING}")
        page.fill("input[name=username]", "admin")
        page.fill("input[name=password]", stand.service.password().get_secret_value())
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"**/dags/{TRAINING}*")
        leave(page)
        yield page
        chromium.close()


@pytest.fixture
def page(browser: Page) -> Iterator[Page]:
    yield browser
    leave(browser)


@pytest.fixture
def form(stand: Stand, page: Page) -> Page:
    return open_form(stand, page)


def leave(page: Page) -> None:
    """Show nothing: Airflow's pages refresh themselves, at a quarter of a core."""
    page.goto("about:blank")


def open_form(stand: Stand, page: Page) -> Page:
    """Open the form that triggers a run."""
    page.goto(f"{stand.airflow.url}/dags/{TRAINING}")
    page.get_by_role("button", name="Trigger").first.click()
    page.locator("[name=element_members]").wait_for()
    return page


def trigger_by_form(stand: Stand, page: Page, typed: dict[str, str]) -> str:
    """Type values into the form, submit it, and return the id of the run that it made."""
    before = {run["dag_run_id"] for run in stand.airflow.runs(TRAINING)}
    form = open_form(stand, page)
    for name, value in typed.items():
        form.fill(f"[name=element_{name}]", value)
    picture(form, "form")
    with form.expect_response(lambda answer: "dagRuns" in answer.url and answer.request.method == "POST") as answer:
        form.get_by_test_id("trigger-dag-submit").click()
    assert answer.value.ok
    leave(page)
    (run,) = {run["dag_run_id"] for run in stand.airflow.runs(TRAINING)} - before
    return str(run)


def picture(page: Page, name: str) -> Path:
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{name}.png")
    return PICTURES / f"{name}.png"
