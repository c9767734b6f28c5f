"""Every row of the tables in docs/methods.md has a test that fails if the code does otherwise."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from repro.spec.presets import dots_rr, ufo_rl
from repro.study.estimate import estimate
from repro.study.expand import expand
from repro.study.load import load_spec
from repro.study.neighbours import Neighbours

TESTS = Path(__file__).parents[1]
METHODS = TESTS.parent / "docs/methods.md"
EXPERIMENTS = TESTS.parent / "experiments"
ROWS = Path(__file__).with_name("rows_of_methods.txt")
ELSEWHERE = {
    "UFO-RL's training: preset: release, 1": "EVIDENCE below",
    "DOTS + RR: the paper, its code and ours, 1": "EVIDENCE below",
    "The papers' tables and figures, and the specs that make them, 1": "tests/study/test_published_specs.py",
}
"""Tables whose rows have their tests in another place than `rows_of_methods.txt`."""
GRADIENT = "training/test_replay_losses.py::test_every_update_of_a_real_run_has_the_gradient_of_the_formulas"
WITH_KL = "training/test_kl.py::test_every_update_has_the_gradient_of_the_loss_with_its_kl_term"
RATES = "training/test_schedule.py::test_each_update_has_the_rate_of_the_schedule"
SAMPLED = (
    "training/test_how_sampled.py::test_every_completion_is_of_the_temperature_nucleus_and_length_that_the_spec_says"
)
ADAMW = "training/test_optimizer.py::test_six_updates_are_those_of_adamw_with_a_clipped_gradient_and_decayed_matrices"
GROUPS = "training/test_trl_contract.py::test_a_step_trains_on_the_chosen_questions_in_whole_groups"
THEIRS = "difficulty/test_released.py::test_with_equal_weights_our_predictor_gives_what_their_module_gives"
LOOPS = "difficulty/test_predictor.py::test_predictions_equal_explicit_loops"
WARM_UP = "difficulty/test_fit.py::test_the_learning_rate_of_the_code_is_that_of_transformers"

EVIDENCE = {
    "train.advantage_std": WITH_KL,
    "train.loss": WITH_KL,
    "train.kl": WITH_KL,
    "train.minibatches": WITH_KL,
    "train.skip_zero_advantage": "training/test_skip.py::test_the_gradient_without_idle_rows_is_that_of_all_rows",
    "train.temperature": SAMPLED,
    "train.top_p": SAMPLED,
    "train.max_completion_tokens": SAMPLED,
    "evaluate.temperature": SAMPLED,
    "evaluate.top_p": SAMPLED,
    "train.learning_rate": RATES,
    "train.schedule": RATES,
    "train.warmup": RATES,
    "train.weight_decay": ADAMW,
    "train.max_grad_norm": ADAMW,
    "train.group_size": GROUPS,
    "train.questions_per_step": GROUPS,
    "train.max_prompt_tokens": "training/test_prompts_of_a_run.py::"
    "test_a_run_says_what_it_left_out_and_shows_its_examples",
    "budget.epochs": "training/test_schedule.py::"
    "test_a_budget_of_epochs_sets_the_schedule_and_a_run_that_stops_early_keeps_it",
    "reward": "training/test_release_in_trl.py::"
    "test_rewards_that_are_averaged_here_and_added_by_trl_have_the_same_advantages_once_divided_by_their_deviation",
    "replay.correction": GRADIENT,
    "replay.filter": "replay/test_buffer_options.py::test_trimming_holds_and_offers_what_the_authors_buffer_does",
    "replay.per_question": "replay/test_buffer_options.py::test_only_the_newest_group_of_a_question_may_be_drawn",
    "replay.short": "replay/test_batch.py::test_every_group_is_accounted_for",
    "replay.warm_up": "replay/test_batch.py::test_the_warm_up_is_all_fresh_however_much_the_buffer_holds",
    "selection.prompt": "scoring/test_confidence_texts.py::test_the_papers_final_answer_is_rendered_as_in_the_release",
    "selection.measure": "selection/test_dynamic.py::test_the_pass_rate_as_measure_turns_the_target_round",
    "selection.recalibration": "difficulty/test_estimators.py::"
    "test_the_line_in_sample_is_least_squares_on_the_references_and_is_not_clipped",
    "selection.reuse_references": "selection/test_dynamic.py::"
    "test_references_measured_near_the_target_come_first_and_train_with_their_rollouts",
    "selection.reuse_by": "selection/test_dynamic.py::"
    "test_a_reference_is_reused_by_its_predicted_difficulty_where_asked_gradient_or_not",
    "predictor.towers.width": "difficulty/test_predictor.py::"
    "test_at_the_papers_size_there_is_one_adapter_or_the_two_of_the_code",
    "predictor.towers.shared": LOOPS,
    "predictor.towers.calibration": LOOPS,
    "predictor.towers.activation": THEIRS,
    "predictor.towers.clip": THEIRS,
    "predictor.towers.deviation": THEIRS,
    "predictor.towers.identity_start": "difficulty/test_predictor.py::"
    "test_without_identity_start_the_calibrator_begins_as_torch_draws_its_layers",
    "predictor.towers.standardise": "difficulty/test_fit.py::"
    "test_embeddings_that_are_not_standardised_reach_the_towers_as_they_are",
    "predictor.towers.rates": "difficulty/test_fit.py::"
    "test_towers_of_pass_rates_are_fitted_to_them_and_predict_failure_rates",
    "predictor.fit.held_out": "difficulty/test_fit.py::"
    "test_without_held_back_questions_all_are_fitted_and_no_loss_is_told_of_them",
    "predictor.fit.references_among": "difficulty/test_fit.py::"
    "test_references_of_an_update_may_be_questions_of_its_batch_only_where_asked",
    "predictor.fit.warm_up_most": WARM_UP,
    "predictor.fit.warm_up_from": WARM_UP,
}
"""Field -> the test of what its values do. That presets set them is tested beside this file."""


def test_every_field_of_a_presets_table_has_a_test_of_what_it_does() -> None:
    assert {field.path for field in (*dots_rr.FIELDS, *ufo_rl.FIELDS)} == EVIDENCE.keys()


def tables() -> dict[str, list[str]]:
    """Title of each table of docs/methods.md -> the names of its rows, as `rows_of_methods.txt` writes them."""
    found: dict[str, list[str]] = {}
    heading, number, inside, different = "", Counter[str](), False, False
    for line in METHODS.read_text(encoding="utf-8").splitlines():
        text = line.replace("`", "")
        if line.startswith("#"):
            heading = text.lstrip("# ")
        cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", text)[1:-1]]
        if not line.startswith("|"):
            inside = False
        elif not inside:
            number[heading] += 1
            inside, different, name = True, "theirs" in cells, f"{heading}, {number[heading]}"
            found[name] = []
        elif not line.startswith("|---"):
            first = cells[0] or found[name][-1].partition(": ")[0]
            found[name].append(f"{first}: {' '.join(cells[1].split()[:4])}" if different else first)
    return found


def evidence() -> dict[str, dict[str, list[str]]]:
    """Title of a table -> name of a row -> the tests of it, as file::function."""
    found: dict[str, dict[str, list[str]]] = {}
    section, name = dict[str, list[str]](), ""
    for line in ROWS.read_text(encoding="utf-8").splitlines():
        row, bar, test = line.rpartition(" | ")
        if line.startswith("# "):
            section = found.setdefault(line[2:], {})
        elif bar or line.startswith(" | "):
            name = row or name  # a further test of the row above
            section.setdefault(name, []).append(test.strip().replace(" ", "::"))
    return found


def test_every_row_of_the_documents_tables_has_a_test() -> None:
    ours = {title: rows for title, rows in tables().items() if title not in ELSEWHERE}
    assert ELSEWHERE.keys() <= tables().keys()
    assert {title: list(rows) for title, rows in evidence().items()} == ours


def test_an_evaluation_costs_what_the_document_says_of_the_quickstart() -> None:
    cells = expand(load_spec(EXPERIMENTS / "quickstart.yaml").spec)
    found = {estimate(cell, Neighbours([])).evaluation for cell in cells}
    assert found == {8 * 1024 + 512}, "eight times avg@4, and what is measured at the end once"


def test_every_test_that_is_named_exists() -> None:
    rows = [(row, where) for table in evidence().values() for row, tests in table.items() for where in tests]
    for path, where in [*EVIDENCE.items(), *rows]:
        file, _, name = where.partition("::")
        text = (TESTS / file).read_text(encoding="utf-8")
        assert re.search(rf"^def {name}\(", text, re.MULTILINE), path
