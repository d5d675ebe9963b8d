"""Training on clusters of this machine's own: ``python -m tests.bench.cluster``, or ``BENCH=cluster make bench``."""

from tests.bench.cluster import hosts, yarn

if __name__ == "__main__":
    for program in (yarn, hosts):
        program.main()
