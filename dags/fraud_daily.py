"""Airflow's DAG `fraud_daily`: one day of card transactions, from its landing files to features and, by the champion, scores.

The run's partition is the day. Waiting costs no worker; each step judges what it writes before anyone can read it; before there is a
champion, scoring says so and does nothing. A day that comes late or again: run it again, and see which later days are stale.
"""

from steps import App

fraud = App("fraud")

with fraud.daily(__doc__) as dag:
    landed = fraud.landed("fraud")
    ingest = fraud.on_day("ingest")
    engineer = fraud.on_day("engineer", outlets=[fraud.features])
    score = fraud.on_day("score")
    report = fraud.on_day("report", pool="spark").as_teardown()

    landed >> ingest >> engineer >> score >> report
