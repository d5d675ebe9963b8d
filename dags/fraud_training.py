"""Airflow's DAG `fraud_training`: a range of days into an ensemble, judged against baselines and the champion, and scores by the champion.

It runs for each week whose features are whole, or when asked for a range of days by the form.
"""

from steps import HIVE, App, approval, days, members, parameters, skip_unless

fraud = App("fraud")

with fraud.training(__doc__) as dag:
    given = parameters()
    pin, split, baselines = fraud.step("pin", **HIVE), *map(fraud.step, ("split", "baselines"))
    evaluate, quantise = map(fraud.step, ("evaluate", "quantise"))
    search = fraud.step("search", pre_execute=skip_unless("search"))
    train = fraud.each("train", "--member", members(given), trigger_rule="none_failed")
    publish = fraud.step("publish", outlets=[fraud.champion], trigger_rule="none_failed")
    score = fraud.each("score", "--ds", days(given), **HIVE)
    report = fraud.step("report").as_teardown()

    given >> pin >> split >> search >> train >> evaluate
    split >> [train, baselines] >> evaluate
    evaluate >> quantise >> approval() >> publish >> score >> report
