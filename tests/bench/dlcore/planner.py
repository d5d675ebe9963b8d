"""A closed-form model of a step on many nodes, from costs that it assumes: ``python -m tests.bench.dlcore.planner``.

The seconds of compute a step and the networks' figures below are assumptions, so its shares show a course, not a measurement.

A ring all-reduce of B bytes on N nodes sends 2 (N - 1) / N of B over each link and passes 2 (N - 1) messages in turn. Buckets are
summed while backward runs, so only what outlasts the backward behind it is seen, at least the last bucket. Spark takes its share once a
group.
"""

from dataclasses import dataclass

GROUP_S, SPARK_S = 30.0, 0.5
BUCKET_BYTES = 8 * 2**20
NODES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
NETWORKS = {
    "1 Gbit/s": (0.118e9, 60e-6),
    "10 Gbit/s": (1.15e9, 40e-6),
    "25 Gbit/s": (2.8e9, 25e-6),
}  # bytes/s, seconds a message


@dataclass(frozen=True, kw_only=True)
class Work:
    """A model's step on one node: parameters, seconds of compute, and the share of it that is backward."""

    name: str
    parameters: int
    compute_s: float
    backward: float = 2 / 3


def ring_s(size: float, nodes: int, *, bandwidth: float, latency_s: float) -> float:
    """Seconds of a ring all-reduce of ``size`` bytes."""
    if nodes == 1:
        return 0.0
    return 2 * (nodes - 1) * (size / nodes / bandwidth + latency_s)


def synchronisation_s(work: Work, nodes: int, *, bandwidth: float, latency_s: float) -> float:
    """Seconds a step waits for the sum: what does not fit behind backward, at least the bucket that backward ends with."""
    size = 4.0 * work.parameters
    buckets = max(1, round(size / BUCKET_BYTES))
    one = ring_s(size / buckets, nodes, bandwidth=bandwidth, latency_s=latency_s)
    return max(one, buckets * one - work.backward * work.compute_s * (buckets - 1) / buckets)


def shares(work: Work, nodes: int, *, bandwidth: float, latency_s: float) -> tuple[float, float]:
    """The shares of synchronisation and of Spark in the wall clock."""
    waiting = synchronisation_s(work, nodes, bandwidth=bandwidth, latency_s=latency_s)
    training = GROUP_S / (GROUP_S + SPARK_S)
    return training * waiting / (waiting + work.compute_s), 1 - training


def main() -> None:
    works = [
        Work(name="LeNet-5, 1024 rows a node", parameters=44_426, compute_s=0.020),
        Work(name="Inception v1, 32 a node", parameters=6_998_552, compute_s=1.0),
        Work(name="ResNet-50, 32 a node", parameters=25_557_032, compute_s=2.0),
    ]
    for name, (bandwidth, latency_s) in NETWORKS.items():
        print(f"\n{name}: share of synchronisation by nodes (published: 4 % of compute on 4 nodes, 7 % on 32)")
        print(f"{'':28s}" + "".join(f"{nodes:>7d}" for nodes in NODES))
        for work in works:
            row = [shares(work, nodes, bandwidth=bandwidth, latency_s=latency_s)[0] for nodes in NODES]
            print(f"{work.name:28s}" + "".join(f"{share:7.1%}" for share in row))
    print(
        f"\nSpark's share of any of them: {1 - GROUP_S / (GROUP_S + SPARK_S):.1%} (published: 1.2 % with groups, 3.6 to 11 % without)"
    )


if __name__ == "__main__":
    main()
