"""A function of a user's own runs on the workers as under torchrun; what goes wrong in it reaches the driver as itself."""

import logging
import os
import signal
import time

import pytest
import torch
import torch.distributed as dist
from pyspark import SparkConf
from pyspark.sql import SparkSession
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from dlcore.running import refuse_on_demand, run
from dlcore.spark.group import LostWorkers


def plain_ddp() -> tuple[int, int, list[float]]:
    """A script for torchrun, as a function."""
    dist.init_process_group("gloo")
    rank, world = dist.get_rank(), dist.get_world_size()
    torch.manual_seed(rank)
    model = DistributedDataParallel(nn.Linear(3, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x = torch.arange(6.0).reshape(2, 3)[rank : rank + 1]
    for _ in range(3):
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()
    print("trained as", rank)
    dist.destroy_process_group()
    return rank, world, [float(each) for each in torch.cat([each.detach().reshape(-1) for each in model.parameters()])]


def test_plain_ddp_runs_unchanged(spark: SparkSession, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="dlcore"):
        found = run(plain_ddp, 2, session=spark)
    assert [(rank, world) for rank, world, _ in found] == [(0, 2), (1, 2)]
    assert found[0][2] == found[1][2]
    assert {"rank 0: trained as 0", "rank 1: trained as 1"} <= set(caplog.messages)


def test_an_error_is_raised_as_itself_and_ends_the_others(spark: SparkSession) -> None:
    def fails() -> None:
        if os.environ["RANK"] == "1":
            raise KeyError("mine")
        time.sleep(600)

    with pytest.raises(KeyError, match="mine") as raised:
        run(fails, 2, session=spark)
    assert "raised on rank 1" in raised.value.__notes__[0]


def test_a_killed_worker_is_named_and_does_not_hang_the_others(spark: SparkSession) -> None:
    def dies() -> None:
        if os.environ["RANK"] == "0":
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(600)

    with pytest.raises(LostWorkers, match=r"."):
        run(dies, 2, session=spark)


def test_what_cannot_run_is_refused(spark: SparkSession) -> None:
    with pytest.raises(TimeoutError, match="needs 9 task slots at once"):
        run(plain_ddp, 9, session=spark, slots_wait_s=0.1)
    with pytest.raises(ValueError, match="at least one worker"):
        run(plain_ddp, 0, session=spark)


def test_dynamic_allocation_is_refused_at_once() -> None:
    conf = SparkConf(loadDefaults=False).setMaster("yarn")
    refuse_on_demand(conf)
    with pytest.raises(ValueError, match=r"with spark\.dynamicAllocation\.enabled=true"):
        refuse_on_demand(conf.set("spark.dynamicAllocation.enabled", "true"))
