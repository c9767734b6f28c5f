"""A study's predictor, built for real from small policies: what is held out, what is cached, what is paid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from repro.cache import Cache
from repro.difficulty.labels import Labels
from repro.difficulty.predictor_spec import FitSpec, PredictorSpec, TowersSpec
from repro.errors import UserError
from repro.models.model_spec import ModelSpec, TinyModel, WarmStart
from repro.models.policy import SHIPPED
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.datasets import load_dataset
from repro.tasks.made.arithmetic import Arithmetic
from repro.training import predictor_labels
from repro.training.predictor_labels import label_pool, make_labels
from repro.training.predictor_models import check_apart, embed, find_embedder
from repro.training.predictors import build_predictor


def small(seed: int, name: str) -> ModelSpec:
    start = WarmStart(updates=40, batch_size=32, seed=seed)
    return ModelSpec(name=name, tiny=TinyModel(width=12, layers=1, heads=3, warm_start=start))


DATASET = DatasetSpec(arithmetic=Arithmetic(pool=64, test=16, validation=8))
SPEC = PredictorSpec(
    policies=[small(1, "one"), small(2, "two")],
    questions=96,
    samples=2,
    max_completion_tokens=16,
    towers=TowersSpec(width=8),
    fit=FitSpec(epochs=2),
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    return Cache(tmp_path_factory.mktemp("cache"))


def quiet(message: str) -> None:
    pass


def test_no_label_is_of_a_question_that_a_run_draws_from_or_is_judged_by() -> None:
    pool, data = label_pool(SPEC, DATASET), load_dataset(DATASET)
    asked = {problem.question for problem in pool.problems}
    assert len(asked) == len(pool.problems) > 48
    for split in (data.train, data.validation, data.test, data.extra["pool_like"]):
        assert not asked & {problem.question for problem in split}


def test_a_file_gives_its_first_training_questions_as_in_the_paper(tmp_path: Path) -> None:
    rows = "".join(f'{{"question": "what is {i} + 1?", "answer": "{i + 1}"}}\n' for i in range(60))
    (tmp_path / "data.jsonl").write_text(rows)
    dataset = DatasetSpec(path=str(tmp_path / "data.jsonl"), test_split=None)
    pool = label_pool(SPEC.model_copy(update={"questions": 32}), dataset)
    assert [p.id for p in pool.problems] == [p.id for p in load_dataset(dataset).train[:32]]


def test_labels_are_rolled_out_once_and_a_stopped_call_goes_on_by_chunks(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predictor_labels, "CHUNK", 32)
    said: list[str] = []
    first, cost = make_labels(SPEC, DATASET, cache, said.append)
    assert first.policies == ("one", "two")
    assert first.pass_rates.shape == (2, len(first.ids))
    assert cost.completions == 2 * 2 * len(first.ids)
    chunks = [text for text in said if text.startswith("labels of")]
    assert len(chunks) == 2 * -(-len(first.ids) // 32)
    removed = next((cache.root / "labels").glob("[0-9a-f]*"))
    (removed / ".complete").unlink()  # as a kill inside that chunk leaves it
    said.clear()
    second, again = make_labels(SPEC, DATASET, cache, said.append)
    assert len([text for text in said if text.startswith("labels of")]) == 1
    assert np.array_equal(first.pass_rates, second.pass_rates)
    assert again.completions == cost.completions


def test_a_predictor_is_built_once_and_says_what_it_cost_and_comes_from(cache: Cache) -> None:
    built = build_predictor(SPEC, DATASET, cache, quiet)
    assert built.cost.completions == 4 * built.predictor.training["questions"]
    assert built.cost.seconds > 0 and built.cost.generated_tokens > 0
    assert built.predictor.provenance["policies"] == ["one", "two"]
    said: list[str] = []
    again = build_predictor(SPEC, DATASET, cache, said.append)
    assert said == [] and again.predictor.digest == built.predictor.digest


def test_renaming_a_policy_builds_nothing(cache: Cache) -> None:
    build_predictor(SPEC, DATASET, cache, quiet)
    renamed = SPEC.model_copy(update={"policies": [small(1, "uno"), small(2, "due")]})
    said: list[str] = []
    build_predictor(renamed, DATASET, cache, said.append)
    assert said == []


def test_labels_made_elsewhere_take_the_place_of_the_policies(cache: Cache) -> None:
    made, _ = make_labels(SPEC, DATASET, cache, quiet)
    turned = Labels(made.ids, made.questions, made.policies, 1.0 - made.pass_rates, made.samples)
    own, other = (build_predictor(SPEC, DATASET, cache, quiet, given).predictor for given in (None, turned))
    assert own.digest != other.digest


def test_a_predictor_on_disk_needs_the_model_that_embedded(cache: Cache, tmp_path: Path) -> None:
    build_predictor(SPEC, DATASET, cache, quiet).predictor.save(tmp_path / "p")
    bare = PredictorSpec(path=str(tmp_path / "p"))
    loaded = build_predictor(bare, DATASET, cache, quiet).predictor
    with pytest.raises(UserError, match=r"predictor\.embedder: got none"):
        find_embedder(bare, loaded, DATASET)
    wrong = PredictorSpec(path=str(tmp_path / "p"), embedder=small(2, "two"))
    with pytest.raises(UserError, match=r"predictor\.embedder: 'two' is not the model"):
        find_embedder(wrong, loaded, DATASET)
    right = PredictorSpec(path=str(tmp_path / "p"), embedder=small(1, "one"))
    assert find_embedder(right, loaded, DATASET).label == "one"


@pytest.mark.parametrize("label", ["one", "renamed"])
def test_the_policy_that_is_trained_may_not_have_given_the_labels(label: str) -> None:
    with pytest.raises(UserError, match=rf"predictor\.policies\.1: 'two' is the policy that is trained \('{label}'\)"):
        check_apart(SPEC, small(2, label), DATASET)
    check_apart(SPEC, small(3, label), DATASET)


def test_rates_do_not_depend_on_the_chunks_before_them(cache: Cache, tmp_path: Path) -> None:
    """A chunk draws by its own seed, so that one that is rolled out alone gives what it gave among the others."""
    fresh = Cache(tmp_path / "other")
    one: Any = make_labels(SPEC, DATASET, cache, quiet)[0]
    other: Any = make_labels(SPEC, DATASET, fresh, quiet)[0]
    assert np.array_equal(one.pass_rates, other.pass_rates)


def test_a_model_that_does_not_load_is_told_with_the_predictors_field(cache: Cache, tmp_path: Path) -> None:
    missing = ModelSpec(name="gone", path=str(tmp_path / "gone"))
    with pytest.raises(UserError, match=r"predictor\.embedder\.path: .*gone' is not a directory"):
        embed(missing, ["1+1?"], DATASET, cache, quiet)
    (tmp_path / "gone").mkdir()
    (tmp_path / "gone" / "config.json").write_text("{}")
    (tmp_path / "gone" / "tokenizer_config.json").write_text("{}")
    (tmp_path / "gone" / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(UserError, match=r"predictor\.policies\.1\.path: .*gone' did not load"):
        make_labels(SPEC.model_copy(update={"policies": [small(1, "one"), missing]}), DATASET, cache, quiet)


def test_questions_that_are_too_long_for_a_policy_give_no_labels(tmp_path: Path, cache: Cache) -> None:
    long = "what is " + "1 + " * 600 + "1?"
    rows = [f'{{"question": "what is {i} + 1?", "answer": "{i + 1}"}}' for i in range(30)]
    (tmp_path / "data.jsonl").write_text("\n".join([*rows, f'{{"question": "{long}", "answer": "601"}}']))
    dataset = DatasetSpec(path=str(tmp_path / "data.jsonl"), test_split=None, validation_fraction=0)
    model = ModelSpec(path=str(SHIPPED), name="short")
    spec = SPEC.model_copy(update={"policies": [model], "questions": 31, "samples": 1})
    asked = [problem.id for problem in label_pool(spec, dataset).problems]
    assert len(asked) > 20
    with pytest.raises(UserError, match=r"dataset\.too_long: 1 of \d+ label \(short\) questions are too long"):
        make_labels(spec, dataset, cache, quiet)
    told: list[str] = []
    labels, _ = make_labels(spec, dataset.model_copy(update={"too_long": "drop"}), cache, told.append)
    assert len(labels.ids) == len(asked) - 1 == labels.pass_rates.shape[1] and not np.isnan(labels.pass_rates).any()
    assert f"labels: 1 of {len(asked)} questions are too long or examples, and left out" in told
