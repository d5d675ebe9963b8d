"""Airflow's own form and run page, as an operator uses them."""

import pytest
from playwright.sync_api import Page, expect

from tests.chromium import picture
from tests.runs import TYPED
from tests.services import TRAINING, Stand

pytestmark = pytest.mark.timeout(1800)  # on two cores that nobody else uses, a run takes three minutes


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


def test_a_run_by_the_form_has_its_typed_parameters_and_ends_well(stand: Stand, browser: Page, repeated: str) -> None:
    run = stand.airflow.run(TRAINING, repeated)
    assert (run["run_type"], run["state"]) == ("manual", "success")
    assert run["conf"] == run["conf"] | {
        name: int(value) if value.isdigit() else value for name, value in TYPED.items()
    }
    assert run["conf"]["search"] is False


def test_the_runs_page_shows_its_report_and_asks_no_other_host(stand: Stand, trained: str, page: Page) -> None:
    hosts: set[str] = set()
    page.on("request", lambda request: hosts.add(request.url.split("/")[2]) if "://" in request.url else None)
    page.goto(f"{stand.airflow.url}/dags/{TRAINING}/runs/{trained}")
    page.locator('a[href$="/plugin/report"]').click()
    frame = page.frame_locator("iframe")
    expect(frame.get_by_text(trained).first).to_be_visible()
    picture(page, "report-in-airflow")
    assert hosts == {stand.airflow.url.removeprefix("http://")}


def test_a_report_is_shown_to_nobody_who_is_not_logged_in_and_no_other_file_at_all(stand: Stand, page: Page) -> None:
    address, uis = (f"{stand.airflow.url}/emberline/{view}/{TRAINING}/" for view in ("report", "spark"))
    assert page.context.browser is not None
    stranger = page.context.browser.new_context()
    assert [stranger.request.get(place + "some-run").status in (401, 403) for place in (address, uis)] == [True, True]
    stranger.close()
    assert "set EMBERLINE_SPARK_UI=true" in page.request.get(uis + "some-run").text()
    for path in ("some-run", "..%2f..%2f..%2fairflow%2fjwt", "%2fetc%2fpasswd"):
        assert page.request.get(address + path).status == 404
