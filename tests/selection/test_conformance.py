"""What every selector promises, asked of all of them: one suite, one line per method."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest

from repro.errors import UserError
from repro.selection.banded import Banded
from repro.selection.bands import CalibratedBand, CenterBand, EndBand, RangeBand
from repro.selection.base import Observation
from repro.selection.methods.adarft import Adarft
from repro.selection.methods.bots import Bots
from repro.selection.methods.cdas import Cdas
from repro.selection.methods.confidence import Confidence
from repro.selection.methods.curriculum import Curriculum
from repro.selection.methods.difficulty import Difficulty
from repro.selection.methods.dump import Dump
from repro.selection.methods.dynamic import Dynamic
from repro.selection.methods.e2h import E2H
from repro.selection.methods.greso import Greso
from repro.selection.methods.identical import Identical
from repro.selection.methods.learnability import Learnability
from repro.selection.methods.mopps import Mopps
from repro.selection.methods.no_positive_resampling import NoPositiveResampling
from repro.selection.methods.oracle import Oracle
from repro.selection.methods.pass_rate import PassRate
from repro.selection.methods.pools import Pools
from repro.selection.methods.prompt_entropy import PromptEntropy
from repro.selection.methods.prompt_perplexity import PromptPerplexity
from repro.selection.methods.prompt_replay import PromptReplay
from repro.selection.methods.random import RandomSubset
from repro.selection.methods.scores import Scores
from repro.selection.methods.sec import Sec
from repro.selection.methods.speed import Speed
from repro.selection.methods.uniform import Uniform
from repro.selection.registry import builtin
from repro.testing import SELECTION_CHECKS
from tests.selection.worlds import build_selector

from .worlds import World

N, BATCH, GROUP, STEPS = 120, 7, 8, 30

METHODS = {
    "uniform": (Uniform(), N),
    "random": (RandomSubset(method="random", fraction=0.2), 24),
    "confidence_mean": (Confidence(method="confidence", fraction=0.25), 30),
    "confidence_median": (Confidence(method="confidence", band=CenterBand(center="median"), fraction=0.1), 12),
    "confidence_quantile": (
        Confidence(method="confidence", target="solution", band=RangeBand(low=0.5, high=0.6, scale="quantile")),
        12,
    ),
    "pass_rate_mid": (PassRate(method="pass_rate", band=CenterBand(center=0.5), fraction=0.2), 24),
    "pass_rate_hardest": (PassRate(method="pass_rate", band=RangeBand(low=0, high=0.1, scale="quantile")), 12),
    "confidence_paper": (Confidence(method="confidence", prompt="paper", fraction=0.2), 24),
    "confidence_calibrated": (
        Confidence(method="confidence", band=CalibratedBand(pass_rate=0.5, questions=32), fraction=0.2),
        24,
    ),
    "high_confidence": (Confidence(method="high_confidence", fraction=0.1), 12),
    "low_confidence": (Confidence(method="low_confidence", fraction=0.1), 12),
    "easiest": (PassRate(method="easiest", fraction=0.1), 12),
    "hardest": (PassRate(method="hardest", fraction=0.2), 24),
    "prompt_perplexity": (PromptPerplexity(method="prompt_perplexity", fraction=0.1), 12),
    "prompt_entropy": (PromptEntropy(method="prompt_entropy", band=EndBand(end="highest"), fraction=0.25), 30),
    "curriculum_confidence": (Curriculum(method="curriculum", by="confidence", target="solution", stages=4), None),
    "curriculum_pass_rate": (Curriculum(method="curriculum", by="pass_rate", order="hard_to_easy"), None),
    "difficulty": (Difficulty(method="difficulty", references=16, every=2), None),
    "difficulty_every_step": (Difficulty(method="difficulty", references=16, every=1, temperature=0.1), None),
    "difficulty_trained": (Difficulty(method="difficulty", references=16, predictor="trained"), None),
    "difficulty_in_sample": (
        Difficulty(method="difficulty", references=16, predictor="trained", recalibration="in_sample"),
        None,
    ),
    "difficulty_oracle": (Difficulty(method="difficulty", predictor="oracle", every=3), None),
    "difficulty_oracle_reuse": (Difficulty(method="difficulty", predictor="oracle", reuse_references=True), None),
    "difficulty_reuse": (Difficulty(method="difficulty", references=24, reuse_references=True), None),
    "scores_column": (Scores(method="scores", column="steps", fraction=0.2), 24),
    "curriculum_column": (Curriculum(method="curriculum", by="column", column="steps"), None),
    "curriculum_column_high_is_hard": (
        Curriculum(method="curriculum", by="column", column="steps", high="hard", stages=3),
        None,
    ),
    "dynamic": (Dynamic(method="dynamic", most=3), None),
    "dynamic_between": (Dynamic(method="dynamic", low=0.2, high=0.8), None),
    "greso": (Greso(method="greso"), None),
    "greso_strict": (Greso(method="greso", target=0.0, p=0.05, first=1.0, most=2), None),
    "speed": (Speed(method="speed"), None),
    "speed_short": (Speed(method="speed", screening=2, most=1), None),
    "pools": (Pools(method="pools"), None),
    "pools_gate": (Pools(method="pools", gate=True, easy=0.0, hard=0.0), None),
    "prompt_replay": (PromptReplay(method="prompt_replay"), None),
    "prompt_replay_soon": (PromptReplay(method="prompt_replay", share=1.0, rest=0, reuses=2), None),
    "sec": (Sec(method="sec", category="steps"), None),
    "sec_text": (Sec(method="sec", category="kind", unseen="decay", rate=0.9, temperature=0.2), None),
    "dump": (Dump(method="dump", category="steps"), None),
    "dump_text": (Dump(method="dump", category="kind", window=5, temperature=1.0), None),
    "e2h": (E2H(method="e2h", by="pass_rate"), None),
    "e2h_confidence": (E2H(method="e2h", by="confidence", levels=7, floor=False, width=0.1), None),
    "e2h_column": (E2H(method="e2h", by="column", column="steps", high="hard", schedule="cosine"), None),
    "identical": (Identical(method="identical"), None),
    "identical_three": (Identical(method="identical", questions=3), None),
    "mopps": (Mopps(method="mopps", candidates=4), None),
    "mopps_threshold_warm": (
        Mopps(method="mopps", keep="threshold", decay=0.5, warm_start="column", column="weak"),
        None,
    ),
    "bots": (Bots(method="bots"), None),
    "bots_nearest": (
        Bots(method="bots", weak="weak", strong="strong", temperature=0, draw="mean", adaptive_rho=True),
        None,
    ),
    "adarft": (Adarft(method="adarft", by="pass_rate"), None),
    "adarft_passes": (Adarft(method="adarft", by="column", column="steps", high="hard", repeats=False), None),
    "cdas": (Cdas(method="cdas"), None),
    "cdas_first_replaces": (Cdas(method="cdas", start_counts=False), None),
    "learnability": (Learnability(method="learnability"), None),
    "learnability_decayed": (Learnability(method="learnability", decay=0.7, prior=0.2, prior_weight=8), None),
    "no_positive_resampling": (NoPositiveResampling(method="no_positive_resampling", threshold=0.5), None),
    "no_positive_resampling_latest": (NoPositiveResampling(method="no_positive_resampling", over="latest"), None),
    "oracle": (Oracle(method="oracle"), None),
    "oracle_part": (Oracle(method="oracle", share=0.3, every=3, samples=4), None),
}
SUBSETS = [name for name, (_, size) in METHODS.items() if size is not None]


def build(name, seed=0, world=None):
    return METHODS[name][0].build((world or World(N)).run(seed, GROUP, STEPS))


def draws(selector, count=4, n=BATCH):
    out = []
    for _ in range(count):
        chosen = selector.choose(n)
        selector.observe([Observation(i, (0.0, 1.0) * (GROUP // 2)) for i in chosen])
        out.append(chosen)
    return out


def test_the_suite_covers_every_method_of_the_schema():
    assert {type(selection) for selection, _ in METHODS.values()} == set(builtin().values())
    aliases = {name for kind in builtin().values() for name in getattr(kind, "ENDS", {})}
    assert aliases and aliases <= set(METHODS)


@pytest.mark.parametrize("check", SELECTION_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", METHODS)
def test_every_method_keeps_the_promises_that_are_asked_of_methods_from_outside(name, check):
    check(METHODS[name][0])


@pytest.mark.parametrize("name", METHODS)
def test_another_seed_makes_other_choices(name):
    assert draws(build(name, seed=0)) != draws(build(name, seed=1))


BY_SCORE = [name for name in METHODS if isinstance(METHODS[name][0], Banded | Curriculum | E2H)]


class Shuffled(World):
    """The questions of a coarse world, whose scores have many ties, with the rows in another order."""

    def __init__(self, order):
        super().__init__(N)
        self.rates = np.round(self.rates[order] * 4) / 4
        self._ids = [self._ids[i] for i in order]
        self.problems = [self.problems[i] for i in order]


@pytest.mark.parametrize("name", BY_SCORE)
def test_the_rows_of_equal_scores_may_change_places_and_the_same_questions_are_kept(name):
    groups = []
    for seed in range(3):
        world = Shuffled(np.random.default_rng(seed).permutation(N) if seed else np.arange(N))
        selection = METHODS[name][0]
        if isinstance(getattr(selection, "band", None), CalibratedBand):
            selection = selection.model_copy(update={"band": CenterBand(center=0.5)})  # rolls out rows that it draws
        selector = selection.build(world.run(0, GROUP, STEPS))
        selector.choose(1)
        state = selector.state_dict()
        parts = state["stages"] if "stages" in state else state.get("arms", {}).get("groups")
        kept = [state["kept"]] if "kept" in state else [part["items"] for part in parts]
        groups.append([{world.ids[i] for i in group} for group in kept])
        scores = selector.scores()
        assert len(np.unique(scores)) <= 7, "there are ties"
    assert groups[0] == groups[1] == groups[2]


@pytest.mark.parametrize("n", [1, 5, 7, 11, 12])
@pytest.mark.parametrize("name", SUBSETS)
def test_no_kept_question_starves_and_none_is_favoured(name, n):
    selector = build(name)
    size = METHODS[name][1]
    kept = range(N) if selector.kept() is None else selector.kept().tolist()
    seen: Counter[int] = Counter()
    for call in range(1, 5 * math.ceil(size / n) + 1):
        seen.update(selector.choose(n))
        if call == math.ceil(size / n):
            assert set(seen) == set(kept)  # all of them in the first pass
        counts = [seen[i] for i in kept]
        assert max(counts) - min(counts) <= 1  # a pass ends before a question comes again
    assert set(seen) == set(kept)


@pytest.mark.parametrize("name", ["curriculum_confidence", "curriculum_pass_rate"])
def test_a_curriculum_reaches_every_question(name):
    assert {i for chosen in draws(build(name), STEPS) for i in chosen} == set(range(N))


@pytest.mark.parametrize("name", ["difficulty", "difficulty_every_step"])
def test_an_online_choice_reaches_every_question_when_the_temperature_is_high(name):
    world = World(N)
    selection = METHODS[name][0].model_copy(update={"temperature": 10.0})
    selector = build_selector(selection, world.ids, 0, world, GROUP)
    assert {i for chosen in draws(selector, 200) for i in chosen} == set(range(N))


@pytest.mark.parametrize("name", SUBSETS)
def test_the_kept_subset_has_exactly_the_size_of_the_formula(name):
    selector, size = build(name), METHODS[name][1]
    kept = selector.kept()
    if name == "uniform":
        assert kept is None
    else:
        assert kept.dtype == np.int64
        assert len(kept) == len(set(kept.tolist())) == size
        assert kept.tolist() == sorted(kept.tolist())
        assert selector.metrics() == {"kept": size}


@pytest.mark.parametrize("name", METHODS)
def test_nothing_is_asked_of_the_resources_before_the_first_choice_nor_twice_after_a_restore(name):
    world = World(N)
    selector = build(name, world=world)
    assert world.asked == []
    selector.choose(BATCH)
    state = selector.state_dict()
    world.asked.clear()
    restored = build(name, world=world)
    restored.load_state_dict(state)
    if METHODS[name][1] is not None or name.startswith(("curriculum", "e2h", "sec", "dump")):
        restored.choose(BATCH)
    assert world.asked == []


@pytest.mark.parametrize("name", [name for name, (selection, _) in METHODS.items() if not selection.repeats_in_batch])
def test_more_questions_than_there_are_is_a_user_error_with_the_counts(name):
    selector, size = build(name), METHODS[name][1] or N
    assert len(selector.choose(size)) == size
    with pytest.raises(UserError, match=rf"\b{size} .*questions.*\b{size + 1}\b.*lower train\.questions_per_step"):
        selector.choose(size + 1)
    with pytest.raises(ValueError, match="n is 0"):
        selector.choose(0)


@pytest.mark.parametrize("name", METHODS)
def test_a_state_of_another_method_or_pool_is_refused(name):
    state = build(name).state_dict()
    with pytest.raises(ValueError, match="pool"):
        build(name, world=World(N + 1)).load_state_dict(state)
    other = "uniform" if name != "uniform" else "difficulty"
    with pytest.raises(ValueError, match="method"):
        build(other).load_state_dict(state)
