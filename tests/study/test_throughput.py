"""Hours of a plan: work in closed form, rates from a ledger, a benchmark or by hand, and sizes of policies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from repro.cli import main
from repro.errors import UserError
from repro.models.model_spec import ModelSpec
from repro.models.sizes import KNOWN, size_of
from repro.study.estimate import PROMPT_TOKENS, estimate
from repro.study.load import load_spec
from repro.study.neighbours import Neighbours
from repro.study.plan import finished_runs, plan
from repro.study.throughput import Throughput, Work, by_hand, nearest, rates_of, read_throughput
from tests.study.test_plan import TRAIN, arm, finish, only

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "repro" / "models" / "assets" / "tiny"
ENTRY = {
    "policy": "one",
    "parameters": 1_000_000_000,
    "device": "a GPU",
    "gpu": True,
    "engine": "vllm",
    "generated_tokens_per_second": 1000.0,
    "trained_tokens_per_second": 500.0,
    "scored_tokens_per_second": 4000.0,
}


def rate(parameters: int | None = 1_000_000_000, generated: float = 1000.0, engine: str = "vllm") -> Throughput:
    return Throughput(generated, 500.0, 4000.0, parameters, "a GPU", engine, True, "here")


def benchmark(folder: Path, *entries: dict[str, Any]) -> Path:
    file = folder / "gpu.json"
    file.write_text(json.dumps({"throughput": list(entries)}))
    return file


def test_seconds_are_tokens_over_rates_and_grow_with_the_size_of_the_policy() -> None:
    work = Work(generated=10_000, trained=5_000, scored=8_000)
    assert rate().seconds(work, 1_000_000_000) == pytest.approx(10 + 10 + 2)
    assert rate().seconds(work, 3_000_000_000) == pytest.approx(3 * 22)
    assert rate().seconds(work, None) is None
    assert not rate().extrapolated(1_040_000_000)
    assert rate().extrapolated(1_060_000_000)
    unscored = Throughput(1000.0, 500.0, None, None, "a GPU", "vllm", True, "here")
    assert unscored.seconds(work, None) == pytest.approx(10 + 10 + 8_000 / 1500)


def test_the_nearest_size_is_taken_and_the_engine_of_the_cell_where_there_is_a_choice() -> None:
    known = [rate(100_000_000), rate(1_500_000_000, 10.0, "hf"), rate(1_500_000_000, 20.0)]
    assert nearest(known, 120_000_000) is known[0]
    assert nearest(known, 380_000_000) is known[0]
    assert nearest(known, 400_000_000) is known[1]
    assert nearest(known, 7_000_000_000, "vllm") is known[2]
    fastest = rate(1_500_000_000, 30.0)
    assert nearest([*known, fastest], 7_000_000_000, "vllm") is fastest
    assert nearest([], 7) is None


def test_rates_by_hand_count_updates_only_where_their_rate_is_given() -> None:
    both, one = by_hand("1000,500"), by_hand("1000")
    work = Work(generated=10_000, trained=5_000, scored=3_000)
    assert both.seconds(work, None) == pytest.approx(10 + 10 + 2)
    assert one.seconds(work, 7) == pytest.approx(10)
    assert "updates are not counted" in one.note()
    sized = by_hand("1000,500@2B")
    assert sized.seconds(work, 4_000_000_000) == pytest.approx(2 * (10 + 10 + 2))
    for wrong in ("", "fast", "1,2,3", "0", "-1", "1,nan", "inf", "1000@", "1000@big"):
        with pytest.raises(UserError, match="--tokens-per-second"):
            by_hand(wrong)


def test_the_rates_of_a_ledger_count_a_scored_token_of_an_update_as_a_third_of_a_trained_one() -> None:
    ledger = {
        "rollout": {"generated_tokens": 900, "seconds": 9.0},
        "probe": {"generated_tokens": 300, "seconds": 3.0},
        "train": {"trained_tokens": 1000, "scored_tokens": 600, "seconds": 4.0},
        "score": {"scored_tokens": 0, "seconds": 0.0},
    }
    assert rates_of(ledger) == {"generated": 100.0, "trained": 300.0, "scored": None}


@pytest.mark.parametrize(
    ("fields", "scored"),
    [
        (arm(), 640 * (PROMPT_TOKENS + 50)),
        (arm(train={"minibatches": 1}), 0),
        (arm({"method": "confidence"}, train={"minibatches": 1}), 1024 * PROMPT_TOKENS),
        (arm({"method": "confidence", "target": "solution"}, train={"minibatches": 1}), 1024 * (PROMPT_TOKENS + 50)),
        (arm(train={"minibatches": 1}, replay={"fresh": 0.25}), 640 * (PROMPT_TOKENS + 50)),
    ],
)
def test_the_hours_of_a_cell_in_closed_form(fields: dict[str, Any], scored: int) -> None:
    cell = only(**TRAIN, **fields, model={"hub": "a/b-2B"})
    cost = estimate(cell, Neighbours([]), [rate()])
    assert cost.tokens is not None and cost.evaluation is not None
    generated = cost.tokens + 50 * cost.evaluation
    trained = 640 * (PROMPT_TOKENS + 50)
    assert cost.seconds == pytest.approx(2 * (generated / 1000 + trained / 500 + scored / 4000))
    assert cost.basis is not None and cost.basis.extrapolated


def test_a_cell_without_known_tokens_or_size_has_no_hours() -> None:
    unknown = only(**TRAIN, **arm({"method": "pass_rate"}), dataset={"path": "a.jsonl"}, model={"hub": "a/b-2B"})
    assert estimate(unknown, Neighbours([]), [rate()]).seconds is None
    nameless = only(**TRAIN, **arm(), model={"hub": "a/b"})
    assert estimate(nameless, Neighbours([]), [rate()]).seconds is None
    assert estimate(nameless, Neighbours([]), [by_hand("1000")]).seconds is not None


def test_finished_runs_go_before_a_throughput(tmp_path: Path) -> None:
    done = only(**TRAIN, **arm())
    finish(tmp_path, done, "v1-0", {"generated_tokens": 2000, "completions": 100, "seconds": 5.0})
    cost = estimate(done, Neighbours(finished_runs(tmp_path)), [rate()])
    assert cost.evaluation is not None and cost.basis is not None
    assert cost.seconds == pytest.approx((640 + cost.evaluation) * 0.05)
    assert cost.basis.throughput is None


def test_the_ledger_of_a_run_is_a_throughput_for_policies_of_other_sizes(tmp_path: Path) -> None:
    amounts = {"generated_tokens": 2000, "completions": 100, "seconds": 5.0}
    finish(tmp_path, only(**TRAIN, **arm(), model={"path": str(SHIPPED)}), "v1-0", amounts)
    (found,) = read_throughput(tmp_path / "v1-0" / "ledger.json")
    assert (found.generated, found.trained, found.parameters) == (400.0, None, 297_888)
    (tmp_path / "v1-0" / "cell.json").unlink()
    with pytest.raises(UserError, match="how many parameters"):
        read_throughput(tmp_path / "v1-0" / "ledger.json")


def test_what_is_no_throughput_is_refused(tmp_path: Path) -> None:
    for text, match in (
        ("no json", "not readable"),
        ("[]", "holds no throughput"),
        ('{"throughput": []}', "holds no throughput"),
        ('{"throughput": [{"parameters": 5}]}', "is not understood"),
        ('{"small": true, "throughput": [{}]}', "mean nothing"),
        ('{"rollout": {}}', "no rollouts"),
    ):
        (tmp_path / "x.json").write_text(text)
        with pytest.raises(UserError, match=match):
            read_throughput(tmp_path / "x.json")
    with pytest.raises(UserError, match="not readable"):
        read_throughput(tmp_path / "absent.json")


def test_the_plan_of_a_published_study_shows_hours_and_what_they_rest_on(tmp_path: Path) -> None:
    spec = load_spec(ROOT / "experiments" / "ufo_rl" / "gsm8k.yaml").spec
    assert "hours" not in plan(spec, tmp_path).table()
    made = plan(spec, tmp_path, read_throughput(benchmark(tmp_path, ENTRY)))
    table = made.table()
    total = sum(row.cost.seconds or 0.0 for row in made.rows) / 3600
    assert f"about {total:,.0f} GPU-hours" in made.summary()
    assert "* extrapolated" in table
    assert "1,000 generated, 500 trained, 4,000 scored tokens/s for 1 G parameters on a GPU, engine vllm" in table
    small, large = (next(r.cost for r in made.rows if r.place.model == f"Qwen2.5-{b}B-Instruct") for b in ("0.5", "7"))
    assert small.seconds is not None and large.seconds is not None
    sizes = KNOWN["Qwen/Qwen2.5-7B"] / KNOWN["Qwen/Qwen2.5-0.5B"]
    assert large.seconds / small.seconds == pytest.approx(sizes)
    data = json.loads(json.dumps(made.as_dict()))
    assert data["missing"]["hours"] == pytest.approx(total)
    assert data["hours_of"] == "GPU-hours"


def test_labels_of_a_predictor_have_hours_of_their_own(tmp_path: Path) -> None:
    spec = load_spec(ROOT / "experiments" / "dots_rr" / "qwen2.5-math-1.5b_math.yaml").spec
    (note,) = [it for it in plan(spec, tmp_path, [by_hand("1000")]).notes() if it.startswith("Labels")]
    assert f"about {9 * 3072 * 8 * 1536 / 1000 / 3600:.0f} GPU-hours" in note


def test_the_command_takes_either_source_and_not_both(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["plan", str(ROOT / "experiments" / "quickstart.yaml"), "--runs", str(tmp_path)]
    assert main([*command, "--tokens-per-second", "1000,500"]) == 0
    assert "GPU-hours" in capsys.readouterr().out
    assert main([*command, "--throughput", str(benchmark(tmp_path, ENTRY)), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["missing"]["hours"] > 0
    assert main([*command, "--throughput", "a.json", "--tokens-per-second", "1"]) == 2
    assert "not allowed with" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("model", "size"),
    [
        ({"hub": "Qwen/Qwen2.5-Math-1.5B"}, (1_543_714_304, "table")),
        ({"hub": "Qwen/Qwen2.5-7B-Instruct"}, (7_615_616_512, "table")),
        ({"hub": "a/Name-13b-chat"}, (13_000_000_000, "name")),
        ({"hub": "a/Name-350M"}, (350_000_000, "name")),
        ({"hub": "a/Name2.5b3"}, None),
        ({"hub": "a/name"}, None),
        ({"path": str(SHIPPED)}, (297_888, "files")),
    ],
)
def test_the_size_of_a_policy_is_found_without_loading_it(model: dict[str, str], size: tuple[int, str] | None) -> None:
    assert size_of(ModelSpec.model_validate(model)) == size


def test_the_size_of_the_embedded_policy_follows_from_its_shape() -> None:
    found = size_of(ModelSpec.model_validate("tiny"))
    assert found is not None
    assert found.parameters == pytest.approx(297_888, rel=0.02)


def test_the_table_of_sizes_is_that_of_the_architectures() -> None:
    def qwen(width: int, inner: int, layers: int, keys: int, vocabulary: int, tied: bool) -> int:
        attention = 2 * width**2 + width + 2 * (width * keys + keys)
        layer = attention + 3 * width * inner + 2 * width
        return (1 if tied else 2) * vocabulary * width + layers * layer + width

    assert KNOWN["Qwen/Qwen2.5-0.5B"] == qwen(896, 4864, 24, 128, 151_936, True)
    assert KNOWN["Qwen/Qwen2.5-1.5B"] == qwen(1536, 8960, 28, 256, 151_936, True)
    assert KNOWN["Qwen/Qwen2.5-3B"] == qwen(2048, 11008, 36, 256, 151_936, True)
    assert KNOWN["Qwen/Qwen2.5-7B"] == qwen(3584, 18944, 28, 512, 152_064, False)
    assert KNOWN["deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B"] == qwen(1536, 8960, 28, 256, 151_936, False)
