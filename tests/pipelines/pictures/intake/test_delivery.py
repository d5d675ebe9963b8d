from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from pipelines.dated.source import BadDelivery
from pipelines.pictures.intake.delivery import Delivery


@pytest.mark.parametrize("target", ["nowhere.jpg", "..", "a.jpg"], ids=["dangles", "leads upwards", "loops"])
def test_a_link_that_leads_nowhere_is_refused_at_any_depth(spark: SparkSession, tmp_path: Path, target: str) -> None:
    (tmp_path / "day" / "JPEGImages").mkdir(parents=True)
    (tmp_path / "day" / "JPEGImages" / "a.jpg").symlink_to(target)
    with pytest.raises(BadDelivery, match=r"JPEGImages/a.jpg is a link that leads nowhere; deliver the file itself"):
        Delivery(root=str(tmp_path), folder="day").read(spark, ["train"], 10**6)
