"""The demo's figures against their goals: ``python -m tests.bench.demo``, about ten minutes.

Scoring is the sum over its days, each from its submission to its end.
"""

import json
from pathlib import Path

from infra import processes
from infra.airflow import results, summary
from infra.airflow.demo import Demo
from infra.airflow.service import Service
from infra.settings import load

APP = "fraud"
GOALS = {"runs, minutes": 9.0, "peak memory, GB": 8.0, "score, s": 60.0}


def main() -> None:
    processes.end_as_by_ctrl_c()
    service = Service(settings=load())
    own = service.leader is None
    try:
        if not Demo(service=service, app=APP, conf={"members": 10}).perform():
            raise SystemExit("the run did not end well; its lines above say why")
        dag = f"{APP}_training"
        newest = service.client().runs(dag)[0]["dag_run_id"]
        print(f"\n{comparison(service.run_folder(dag, newest))}")
    finally:
        if own:
            service.stop()


def comparison(folder: Path) -> str:
    """A line for each figure: what it came to, and the goal that it must not pass."""
    demo = json.loads((folder / "demo.json").read_text())
    shares = results.step_times(folder / "outcomes")
    got = {"runs, minutes": demo["seconds"] / 60, "peak memory, GB": demo["peak_bytes"] / 1e9}
    got["score, s"] = sum(one.total_s for one in shares if one.step.startswith("score"))
    verdict = {name: "reached" if value <= GOALS[name] else "MISSED" for name, value in got.items()}
    rows = [[name, f"{value:.1f}", f"{GOALS[name]:g}", verdict[name]] for name, value in got.items()]
    return summary.table(["figure", "got", "goal", ""], rows)


if __name__ == "__main__":
    main()
