"""Airflow's DAG `images_daily`: one day of pictures, from landing files through HBase to the objects in them and their look-alikes.

The run's partition is the day. Waiting costs no worker; pictures are judged before the catalogue names them; before there is a
champion, detecting says so and does nothing. A day that comes late or again: run it again, and see which later days have pictures of it.
"""

from steps import App

images = App("images")

with images.daily(__doc__) as dag:
    landed = images.landed("images")
    load = images.on_day("load")
    prepare = images.on_day("prepare", outlets=[images.features])
    detect, encode, neighbours = map(images.on_day, ("detect", "encode", "neighbours"))
    report = images.on_day("report", pool="spark").as_teardown()

    landed >> load >> prepare >> detect >> encode >> neighbours >> report
