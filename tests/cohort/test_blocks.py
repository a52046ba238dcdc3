"""A virtual population gives the same bits on every engine."""

from __future__ import annotations

import numpy as np
import pytest

from twin_service.cohort.blocks import PopulationBlocks, population_percentiles
from twin_service.cohort.pool import Processes, RayCluster, Threads
from twin_service.cohort.population import CharacteristicSpread
from twin_service.record.person import ModelChoice
from twin_service.solver.schedule import Dose

BLOCKS = PopulationBlocks(
    ModelChoice(poppk="theophylline_oral"),
    size=3500,
    doses=(Dose(0.0, "theophylline_oral.oral", 300.0),),
    times_h=(1.0, 6.0, 24.0),
    spreads=(CharacteristicSpread("weight_kg", 70.0, 10.0),),
    seed=7,
)


def test_threads_and_processes_give_the_same_bits_whatever_their_number() -> None:
    one, failed = population_percentiles(BLOCKS, Threads(1))
    assert failed == 0 and np.isfinite(one).all() and (one[0] <= one[2]).all()
    for pool in (Threads(3), Processes(2)):
        assert np.array_equal(population_percentiles(BLOCKS, pool)[0], one)


@pytest.mark.slow
def test_ray_on_two_nodes_gives_the_same_bits() -> None:
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        cluster.add_node(num_cpus=1)
        ray.init(address=cluster.address, log_to_driver=False)
        assert len([n for n in ray.nodes() if n["Alive"]]) == 2
        found = population_percentiles(BLOCKS, RayCluster(2))[0]
    finally:
        ray.shutdown()
        cluster.shutdown()
    assert np.array_equal(found, population_percentiles(BLOCKS, Threads(1))[0])
