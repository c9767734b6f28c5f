"""How many pairs and seeds a study's claims rest on."""

from __future__ import annotations

from repro.study.claimed import claimed
from tests.conftest import Load

STUDY = """
name: claims
model: tiny
dataset: [arithmetic, shuffle]
arms:
  full: {}
  some: {seeds: [0, 1], train: {learning_rate: 1.0e-4}}
  less: {datasets: [shuffle], selection: {method: random, fraction: 0.5}}
seeds: [0, 1, 2]
axes: {selection.fraction: [0.25, 0.5]}
"""


def test_a_claim_has_the_pairs_and_the_seeds_that_both_arms_have_once_for_each_axis_point(load: Load) -> None:
    found = claimed(load(STUDY + "report: {claims: [{arm: some}, {arm: less, against: some}]}").spec)
    assert [(one.arm, one.pairs, one.seeds) for one in found] == [("some", 2, 2), ("less", 1, 2), ("less", 1, 2)]


def test_without_claims_arms_that_run_everywhere_are_compared_with_the_baseline(load: Load) -> None:
    found = claimed(load(STUDY + "report: {baseline: full}").spec)
    assert [(one.arm, one.against, one.pairs, one.seeds) for one in found] == [("some", "full", 2, 2)]


APART = """
name: apart
model: tiny
dataset: [arithmetic, shuffle]
arms: {full: {datasets: [arithmetic]}, other: {datasets: [shuffle]}}
seeds: [0, 1]
report: {baseline: full}
"""


def test_an_arm_that_meets_its_partner_nowhere_is_no_claim(load: Load) -> None:
    assert claimed(load(APART).spec) == ()
