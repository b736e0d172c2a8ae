"""Chains of jobs on a real scheduler."""

import json

import pytest

from .conftest import SubmittedRun

pytestmark = [pytest.mark.slurm, pytest.mark.xdist_group("slurm")]

CHAIN = (
    "slurm.patience=1",
    "sweep={parameter: beta, start: 1.24, stop: 1.28, num: 12}",
    "chain={steps: 20000, link: 2}",
    "steps={transient: 0, record: 5000}",
    "lyapunov=null",
    "observe.raster.bins=50",
)


@pytest.fixture
def chained(submitted):
    return submitted(*CHAIN, config="continuation_zoom")


@pytest.fixture(scope="module")
def chain_hash(cluster, root, tmp_path_factory):
    out = tmp_path_factory.mktemp("local")
    return SubmittedRun(cluster, root, out, *CHAIN, config="continuation_zoom").local_hash(out)


def test_a_chain_of_jobs_gives_the_bits_of_the_local_run(chained, chain_hash):
    chained.submit("--chain-jobs", 3, "--elements", 3)
    chained.wait()
    assert chained.hash == chain_hash
    log = chained.log("chain")
    assert all(f"share    {job} of 3" in log for job in range(3))
    about = json.loads((chained.folder / "provenance.json").read_text())
    assert len(about["links"]) == 6
    assert len({fact["slurm_job"] for fact in about["links"]}) == 3


def test_a_broken_link_ends_what_comes_after_it_and_is_mended(chained, chain_hash):
    chained.submit("--chain-jobs", 3, "--elements", 2, "--set", "slurm.setup=['[ \"${1:-}\" = 1 ] && exit 9']")
    chained.wait()
    assert "missing links 2-5 of the chain" in chained.log("collect")
    assert not chained.blocks()
    assert chained.log("element") == ""
    status = chained.status()
    assert status.returncode == 3
    assert "links    2/6 done" in status.stdout
    chained.submit("--only-missing", "--chain-jobs", 2, "--elements", 2)
    chained.wait()
    assert chained.hash == chain_hash
    # The two links that were there are not walked again.
    assert chained.log("chain").count("link     ") == 6
