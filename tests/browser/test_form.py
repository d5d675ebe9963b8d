"""Airflow's own form and run page in Chromium, as an operator sees them; pictures stay below the state folder."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from infra.settings import load
from tests.services import DAG, Stand

pytestmark = pytest.mark.timeout(1800)  # on two cores that nobody else uses, a run takes two minutes
FLAGS = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
FLAGS += " --disable-component-update --disable-sync"
PATIENCE_MS = 60_000
PICTURES = load().state / "pictures"


@pytest.fixture(scope="module")
def page(stand: Stand) -> Iterator[Page]:
    """A page that is logged in."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no `chromium` on PATH; .ci/run installs Debian's, and where it is there this is not skipped")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS.split())
        page = browser.new_page(viewport={"width": 1400, "height": 1800})
        page.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        page.goto(f"{stand.airflow.url}/dags/{DAG}")
        page.fill("input[name=username]", "admin")
        page.fill("input[name=password]", stand.service.password())
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"**/dags/{DAG}*")
        yield page
        browser.close()


@pytest.fixture
def form(stand: Stand, page: Page) -> Page:
    """The trigger form, opened."""
    page.goto(f"{stand.airflow.url}/dags/{DAG}")
    page.get_by_role("button", name="Trigger").first.click()
    page.locator("[name=element_members]").wait_for()
    return page


def picture(page: Page, name: str) -> Path:
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{name}.png")
    return PICTURES / f"{name}.png"


def test_the_form_refuses_a_wrong_value_with_the_schemas_sentence(form: Page) -> None:
    form.get_by_text("Advanced Options").click()
    form.locator(".monaco-editor").first.click()
    form.keyboard.press("Control+A")
    form.keyboard.insert_text('{"members": 0}')
    form.keyboard.press("Control+Shift+End")  # the editor closed the brackets once more by itself
    form.keyboard.press("Delete")
    form.locator("[name=dagRunId]").click()
    form.get_by_test_id("trigger-dag-submit").click()
    refusal = form.get_by_text("Invalid input for param members: 0 is less than the minimum of 1")
    expect(refusal.first).to_be_visible()
    assert refusal.first.is_visible()
    picture(form, "form-refused")


def test_a_number_field_keeps_to_its_rule(form: Page) -> None:
    members = form.locator("[name=element_members]")
    members.fill("0")
    members.press("Tab")
    expect(members).to_have_value("1")
    assert members.input_value() == "1"


def test_a_run_by_the_form_has_its_typed_parameters_and_ends_well(stand: Stand, scheduled: str, form: Page) -> None:
    before = {run["dag_run_id"] for run in stand.airflow.runs(DAG)}
    form.fill("[name=element_members]", "2")
    form.fill("[name=element_seed]", "11")
    picture(form, "form")
    with form.expect_response(
        lambda response: "dagRuns" in response.url and response.request.method == "POST"
    ) as answer:
        form.get_by_test_id("trigger-dag-submit").click()
    assert answer.value.ok
    form.goto("about:blank")  # a run's page refreshes itself, at a quarter of a core
    (run,) = [one for one in stand.airflow.runs(DAG) if one["dag_run_id"] not in before]
    assert (run["conf"]["members"], run["conf"]["seed"], run["conf"]["search"]) == (2, 11, False)
    assert stand.follow(run["dag_run_id"]) == "success"
    assert stand.outcome(run["dag_run_id"], "train@001")["summary"]


def test_the_runs_page_shows_its_report_and_asks_no_other_host(stand: Stand, scheduled: str, page: Page) -> None:
    hosts: set[str] = set()
    page.on("request", lambda request: hosts.add(request.url.split("/")[2]) if "://" in request.url else None)
    page.goto(f"{stand.airflow.url}/dags/{DAG}/runs/{scheduled}")
    page.locator('a[href$="/plugin/report"]').click()
    frame = page.frame_locator("iframe")
    expect(frame.get_by_text(scheduled).first).to_be_visible()
    picture(page, "report-in-airflow")
    assert hosts == {stand.airflow.url.removeprefix("http://")}


def test_a_report_is_shown_to_nobody_who_is_not_logged_in_and_no_other_file_at_all(stand: Stand, page: Page) -> None:
    address = f"{stand.airflow.url}/reports/{DAG}/"
    assert page.context.browser is not None
    stranger = page.context.browser.new_context()
    assert stranger.request.get(address + "some-run").status in (401, 403)
    stranger.close()
    for path in ("some-run", "..%2f..%2f..%2fairflow%2fjwt", "%2fetc%2fpasswd"):
        assert page.request.get(address + path).status == 404
