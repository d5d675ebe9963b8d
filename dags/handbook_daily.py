"""Airflow's DAG `handbook_daily`: one day of simulated card transactions, and the labels that have become due, to features and scores.

The run's partition is the day. The labels that are due are those of a week before, and features look back on no later ones. A day or
its labels that come late or again: run it again, and see which later days are stale.
"""

from steps import App

handbook = App("handbook")

with handbook.daily(__doc__) as dag:
    landed = handbook.landed("handbook")
    ingest = handbook.on_day("ingest")
    labels = handbook.on_day("labels")
    engineer = handbook.on_day("engineer", outlets=[handbook.features])
    score = handbook.on_day("score")
    report = handbook.on_day("report", pool="spark").as_teardown()

    landed >> ingest >> labels >> engineer >> score >> report
