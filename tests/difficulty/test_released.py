"""The authors' predictor and ours under equal weights, and what becomes of files that are not theirs."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from repro.difficulty.predictor import DifficultyPredictor
from repro.difficulty.released import authors_towers, read_released
from repro.errors import UserError
from repro.spec.presets.registry import PRESETS

QUERY, REFERENCE, CALIBRATION = "regressor.sim_head.query_proj", "regressor.sim_head.ref_proj", "regressor.mlp"


def their_state(width_in: int = 12, width: int = 8, seed: int = 0) -> dict[str, Tensor]:
    """Random weights under the names of their checkpoint: LayerNorm, three linear layers, LayerNorm; twice; 2-10-2."""
    draw = torch.Generator().manual_seed(seed)
    state: dict[str, Tensor] = {}

    def put(name: str, *shape: int, scale: float, around: float = 0.0) -> None:
        state[name] = around + scale * torch.randn(*shape, generator=draw)

    for tower in (QUERY, REFERENCE):
        for place, size in ((0, width_in), (8, width)):
            put(f"{tower}.{place}.weight", size, scale=0.2, around=1.0)
            put(f"{tower}.{place}.bias", size, scale=0.2)
        for place, inside in ((1, width_in), (4, width), (7, width)):
            put(f"{tower}.{place}.weight", width, inside, scale=inside**-0.5)
            put(f"{tower}.{place}.bias", width, scale=0.3)
    for place, (out, inside) in ((0, (10, 2)), (2, (2, 10))):
        put(f"{CALIBRATION}.{place}.weight", out, inside, scale=0.7)
        put(f"{CALIBRATION}.{place}.bias", out, scale=0.5)
    return state


def their_prediction(state: dict[str, Tensor], queries: Tensor, references: Tensor, rates: Tensor) -> Tensor:
    """(N,) pass rates as their code computes them, layer by layer, from embeddings and pass rates of the references."""
    weights = {name: value.double() for name, value in state.items()}

    def project(x: Tensor, tower: str) -> Tensor:
        part = {name.removeprefix(f"{tower}."): value for name, value in weights.items() if name.startswith(tower)}
        x = F.layer_norm(x, x.shape[-1:], part["0.weight"], part["0.bias"])
        x = F.gelu(F.linear(x, part["1.weight"], part["1.bias"]))
        x = F.gelu(F.linear(x, part["4.weight"], part["4.bias"]))
        x = F.linear(x, part["7.weight"], part["7.bias"])
        return F.layer_norm(x, x.shape[-1:], part["8.weight"], part["8.bias"])

    query, reference = project(queries.double(), QUERY), project(references.double(), REFERENCE)
    scores = query @ reference.T / query.shape[1] ** 0.5
    mean_rate = torch.softmax(scores, dim=1) @ rates.double()
    known = torch.stack([rates.double().mean(), rates.double().std()])  # torch's std divides by K - 1
    hidden = torch.relu(F.linear(known, weights[f"{CALIBRATION}.0.weight"], weights[f"{CALIBRATION}.0.bias"]))
    first, second = F.linear(hidden, weights[f"{CALIBRATION}.2.weight"], weights[f"{CALIBRATION}.2.bias"])
    logits = torch.logit(mean_rate.clamp(1e-4, 1 - 1e-4))
    return torch.sigmoid(logits / F.softplus(first).clamp(0.01, 10) + torch.tanh(second))


def checkpoint(path: Path, state: Any, **more: Any) -> Path:
    config = {"scaling": "group_logit_temp", "method": "residual", "tau": 1.0, "num_layers": 3}
    torch.save({"model_state_dict": state, "config": config, "train_metrics": {"epoch_losses": [0.6]}, **more}, path)
    return path


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Tensor], DifficultyPredictor]:
    state = their_state()
    path = checkpoint(tmp_path_factory.mktemp("released") / "theirs.pt", state)
    return state, read_released(path, "embedder").predictor


def embeddings(count: int, width: int = 12, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.3, 2.0, (count, width)).astype(np.float32)


def compare(state: dict[str, Tensor], ours: DifficultyPredictor, rows: np.ndarray, rates: list[float]) -> None:
    """The first questions of `rows` are the references."""
    chosen = np.arange(len(rates))
    found = 1.0 - ours.predict(ours.project(rows), chosen, 1.0 - np.array(rates))
    expected = their_prediction(state, torch.from_numpy(rows), torch.from_numpy(rows[chosen]), torch.tensor(rates))
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-6, rtol=0)


@pytest.mark.parametrize("count", [2, 3, 16, 64])
def test_with_equal_weights_our_predictor_gives_what_their_module_gives(
    both: tuple[dict[str, Tensor], DifficultyPredictor], count: int
) -> None:
    rates = np.random.default_rng(count).integers(0, 9, count) / 8
    compare(*both, embeddings(90, seed=count), rates.tolist())


@pytest.mark.parametrize("rate", [0.0, 0.125, 0.5, 1.0])
def test_it_does_so_where_all_references_are_equally_hard(
    both: tuple[dict[str, Tensor], DifficultyPredictor], rate: float
) -> None:
    compare(*both, embeddings(20), [rate] * 5)


def test_it_does_so_at_their_size(tmp_path: Path) -> None:
    state = their_state(1536, 896)
    ours = read_released(checkpoint(tmp_path / "theirs.pt", state), "embedder").predictor
    assert ours.parameters == 5_978_932
    compare(state, ours, embeddings(24, 1536), [0.0, 0.25, 1.0, 0.5])


@pytest.mark.filterwarnings("ignore:std")
def test_one_reference_has_no_spread_where_theirs_is_no_number(
    both: tuple[dict[str, Tensor], DifficultyPredictor],
) -> None:
    state, ours = both
    rows = embeddings(6)
    one = torch.from_numpy(rows[:1])
    assert their_prediction(state, torch.from_numpy(rows), one, torch.tensor([0.25])).isnan().all()
    alone = ours.predict(ours.project(rows), np.array([0]), np.array([0.75]))
    twice = their_prediction(state, torch.from_numpy(rows), one.repeat(2, 1), torch.tensor([0.25, 0.25]))
    np.testing.assert_allclose(1.0 - alone, twice.numpy(), atol=1e-6, rtol=0)


def test_the_towers_of_the_preset_are_theirs() -> None:
    towers = PRESETS["code"].nested(["predictor"])["predictor"]["towers"]
    assert authors_towers(towers["width"], 3).model_dump() | towers == authors_towers(towers["width"], 3).model_dump()


def test_a_released_predictor_is_saved_and_loaded_like_any_other(
    both: tuple[dict[str, Tensor], DifficultyPredictor], tmp_path: Path
) -> None:
    ours = both[1]
    ours.save(tmp_path / "p")
    back = DifficultyPredictor.load(tmp_path / "p", embedder="embedder")
    assert back.digest == ours.digest and back.spec == authors_towers(8, 3)
    assert back.provenance["released"] == "theirs.pt" and back.training["config"]["num_layers"] == 3


def test_tensors_without_a_part_in_prediction_are_left_out(tmp_path: Path) -> None:
    state = their_state()
    found = read_released(checkpoint(tmp_path / "a.pt", {**state, "encoder.layer": torch.zeros(3)}), "e")
    assert found.left_out == ("encoder.layer",)
    torch.save(state, tmp_path / "bare.pt")
    assert read_released(tmp_path / "bare.pt", "e").predictor.digest == found.predictor.digest


# ---------------------------------------------------------------- files that are not theirs


class Code:
    """Runs when it is unpickled."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, ("ran",)


def changed(**tensors: Tensor | None) -> dict[str, Tensor]:
    """Their state with some tensors replaced or taken away; `__` in a name stands for a dot."""
    state = their_state()
    for name, tensor in tensors.items():
        state.pop(name.replace("__", "."), None)
        if tensor is not None:
            state[name.replace("__", ".")] = tensor
    return state


WRONG: list[tuple[dict[str, Tensor], str]] = [
    (changed(regressor__mlp__2__bias=None), r"missing: regressor.mlp.2.bias \(2,\)"),
    (changed(regressor__scale=torch.ones(1)), r"unexpected: regressor.scale \(1,\)"),
    (changed(regressor__mlp__0__weight=torch.zeros(10, 3)), r"shape \(10, 3\), expected \(10, 2\)"),
    (changed(regressor__mlp__0__weight=torch.full((10, 2), torch.nan)), "not finite"),
    (changed(regressor__mlp__0__weight=torch.zeros(10, 2, dtype=torch.int32)), "torch.int32"),
    (changed(regressor__sim_head__ref_proj__4__weight=None), "missing: regressor.sim_head.ref_proj.4.weight"),
    (changed(regressor__sim_head__query_proj__1__weight=None), "found nothing, expected"),
    (changed(regressor__sim_head__query_proj__1__weight=torch.zeros(1).expand(9000, 9000)), "fewer numbers are stored"),
    (changed(regressor__mlp__0__weight=torch.zeros(10, 2).to_sparse()), "kind torch.sparse_coo, expected"),
    (changed(regressor__mlp__0__weight=torch.zeros(10, 2, device="meta")), "kind meta, expected"),
    (changed(regressor__mlp__0__weight=torch.full((10, 2), torch.nan).to(torch.float8_e5m2)), "not finite"),
]


@pytest.mark.parametrize(("state", "message"), WRONG)
def test_a_network_with_other_names_shapes_or_numbers_is_refused(
    tmp_path: Path, state: dict[str, Tensor], message: str
) -> None:
    with pytest.raises(UserError, match=message) as error:
        read_released(checkpoint(tmp_path / "a.pt", state), "e")
    assert len(str(error.value).splitlines()) <= 12


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "holds list, expected a dictionary"),
        (torch.zeros(4, 2), "holds Tensor, expected a dictionary"),
        ({"model_state_dict": 3}, "model_state_dict holds int"),
        ({"weights": {"a": torch.zeros(1)}}, "no tensor is named regressor"),
        ({"model_state_dict": their_state(), "config": {"scaling": "platt"}}, 'config.scaling is "platt"'),
        ({"model_state_dict": their_state(), "config": {"tau": 0.5}}, "config.tau is 0.5, expected 1"),
        ({"model_state_dict": their_state(), "config": {"top_k": 8}}, "config.top_k is 8, expected none"),
    ],
)
def test_other_content_is_refused(tmp_path: Path, content: Any, message: str) -> None:
    torch.save(content, tmp_path / "a.pt")
    with pytest.raises(UserError, match=message):
        read_released(tmp_path / "a.pt", "e")


def test_code_in_a_file_is_refused_and_does_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = checkpoint(tmp_path / "a.pt", their_state(), more=Code())
    with pytest.raises(UserError, match="holds Python objects beside tensors"):
        read_released(path, "e")
    assert not (tmp_path / "ran").exists()


def test_a_damaged_file_is_refused_wherever_the_damage_is(tmp_path: Path) -> None:
    whole = checkpoint(tmp_path / "a.pt", their_state()).read_bytes()
    with zipfile.ZipFile(tmp_path / "a.pt") as archive:
        inside = [info.header_offset + 200 for info in archive.infolist() if info.file_size > 300]
    cases = [whole[: len(whole) // 2], whole[:-30], b"", b"no archive", Path(__file__).read_bytes()]
    for place in inside[::3]:
        cases.append(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
    for case in cases:
        (tmp_path / "b.pt").write_bytes(case)
        with pytest.raises(UserError, match=r"b\.pt: damaged, or not a checkpoint of torch"):
            read_released(tmp_path / "b.pt", "e")
    with pytest.raises(UserError, match="no such file"):
        read_released(tmp_path / "none.pt", "e")
