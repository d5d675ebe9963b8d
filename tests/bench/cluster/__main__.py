"""Training and a step of an application on clusters of this machine: ``python -m tests.bench.cluster``, or ``BENCH=cluster make bench``."""

from tests.bench.cluster import fraud, hosts, yarn

if __name__ == "__main__":
    for program in (yarn, hosts, fraud):
        program.main()
