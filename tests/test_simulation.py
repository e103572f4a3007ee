"""The simulation of scaling: what can be told without it, and that it runs on what was measured."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


@pytest.fixture(scope="module")
def simulation():
    spec = importlib.util.spec_from_file_location("simulation", BENCHMARKS / "simulation.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["simulation"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["simulation"]


def rate(simulation, workers, *, clients=1000, servers=1000, shards=1, shared=False):
    plant = simulation.Plant(workers, clients, servers, shards, shared)
    return simulation.simulate(plant, 1000, 0.03, 0.02, 0.01).rows_per_second


def test_one_worker_takes_the_sum_of_its_stages(simulation):
    assert rate(simulation, 1) == pytest.approx(1000 / 0.06, rel=0.01)
    assert rate(simulation, 1, clients=1, servers=1, shared=True) == pytest.approx(
        1000 / 0.06, rel=0.01
    )


def test_workers_that_share_nothing_add_up(simulation):
    assert rate(simulation, 7) == pytest.approx(7 * rate(simulation, 1), rel=0.02)


def test_the_database_is_the_ceiling(simulation):
    ceiling = 2 * 1000 / 0.02
    assert rate(simulation, 100, servers=2) == pytest.approx(ceiling, rel=0.02)
    assert rate(simulation, 200, servers=2, shards=3) == pytest.approx(3 * ceiling, rel=0.05)
    outcome = simulation.simulate(simulation.Plant(100, 100, 2), 1000, 0.03, 0.02, 0.01)
    assert outcome.limit == "databases"


def test_on_one_machine_the_cores_are_the_ceiling(simulation):
    assert rate(simulation, 50, clients=2, servers=2, shared=True) == pytest.approx(
        2 * 1000 / 0.05, rel=0.02
    )


def test_it_runs_on_the_constants_that_were_measured():
    constants = json.loads((BENCHMARKS / "constants.json").read_text())
    assert set(constants["scenarios"]) == {"first", "unchanged", "10%"}
    command = [sys.executable, str(BENCHMARKS / "simulation.py"), "--rows", "1e9"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    runs = sum(len(scenario["measured"]) for scenario in constants["scenarios"].values())
    assert len([line for line in lines if line.endswith("%")]) == runs
    assert len([line for line in lines if line.rstrip().endswith(("workers", "databases"))]) == 15
