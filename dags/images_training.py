"""Airflow's DAG `images_training`: a range of days of pictures into a detector, judged, compared with the champion, and put to work.

It runs for each week whose pictures are whole, or when asked for a range of days by the form.
"""

from steps import HIVE, App, approval, days, parameters

images = App("images")

with images.training(__doc__) as dag:
    given = parameters()
    pin, train = images.step("pin", **HIVE), images.step("train")
    evaluate, quantise, codes = map(images.step, ("evaluate", "quantise", "codes"))
    prepare = images.each("prepare", "--ds", days(given), **HIVE)
    publish = images.step("publish", outlets=[images.champion], trigger_rule="none_failed")
    detect, encode, neighbours = (
        images.each(name, "--ds", days(given), **HIVE) for name in ("detect", "encode", "neighbours")
    )
    report = images.step("report").as_teardown()

    given >> pin >> prepare >> train >> evaluate >> quantise >> codes >> approval() >> publish
    publish >> detect >> encode >> neighbours >> report
