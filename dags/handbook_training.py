"""Airflow's DAG `handbook_training`: a range of days into an ensemble, judged against baselines and the champion, and scores.

It runs for each week whose labels have come, a week after its features are whole, or when asked for a range of days by the form.
"""

from steps import HIVE, App, approval, days, members, parameters, skip_unless

handbook = App("handbook")

with handbook.training(__doc__) as dag:
    given = parameters(late_days=7)
    pin, split, baselines = handbook.step("pin", **HIVE), *map(handbook.step, ("split", "baselines"))
    evaluate, quantise = map(handbook.step, ("evaluate", "quantise"))
    search = handbook.step("search", pre_execute=skip_unless("search"))
    train = handbook.each("train", "--member", members(given), trigger_rule="none_failed")
    publish = handbook.step("publish", outlets=[handbook.champion], trigger_rule="none_failed")
    score = handbook.each("score", "--ds", days(given), **HIVE)
    report = handbook.step("report").as_teardown()

    given >> pin >> split >> search >> train >> evaluate
    split >> [train, baselines] >> evaluate
    evaluate >> quantise >> approval() >> publish >> score >> report
