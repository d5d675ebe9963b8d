"""Training on YARN: ``python -m tests.bench.cluster``, or ``BENCH=cluster make bench``."""

from tests.bench.cluster import yarn

if __name__ == "__main__":
    yarn.main()
