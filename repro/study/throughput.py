"""How long the tokens of a run take: tokens per second from a benchmark, from another run's ledger, or by hand."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from repro.errors import UserError
from repro.files import read_object
from repro.models.model_spec import ModelSpec
from repro.models.sizes import NAMED, named_size, size_of
from repro.system_errors import explain
from repro.tasks.table_text import utf8_text
from repro.user_paths import no_file, waits

BACKWARD = 3
"""FLOPs of a forward and backward pass over those of the forward pass alone."""

LARGEST = 20_000_000
"""Bytes of a file of throughputs at most."""

SAME_SIZE = 0.05
"""Relative difference in parameters below which a throughput counts as that policy's own."""


@dataclass(frozen=True)
class Work:
    """Tokens of one whole run by what is done with them; every count includes evaluation where its size is known.

    `generated`: sampled by rollouts, probes, selection and evaluation. `trained`: prompt and completion tokens that
    updates pass forward and backward. `scored`: tokens of forward passes alone.
    """

    generated: float
    trained: float = 0.0
    scored: float = 0.0


@dataclass(frozen=True)
class Throughput:
    """Tokens per second of one device for a policy of `parameters` (None: taken for any policy as it is).

    `trained` None: not known, so updates are not counted. `scored` None: three times `trained`, by FLOPs.
    """

    generated: float
    trained: float | None
    scored: float | None
    parameters: int | None
    device: str
    engine: str
    """hf, vllm, or any."""
    gpu: bool
    source: str

    def seconds(self, work: Work, parameters: int | None) -> float | None:
        """Seconds of one device. Another size costs in proportion to its FLOPs per token, 2 x parameters; None where
        the size of the policy is not known."""
        if self.parameters is None:
            scale = 1.0
        elif parameters is None:
            return None
        else:
            scale = parameters / self.parameters
        total = work.generated / self.generated
        if self.trained is not None:
            total += work.trained / self.trained + work.scored / (self.scored or BACKWARD * self.trained)
        return total * scale

    def extrapolated(self, parameters: int | None) -> bool:
        """Whether it was measured on a policy of another size."""
        if self.parameters is None or parameters is None:
            return False
        return abs(parameters / self.parameters - 1) > SAME_SIZE

    def note(self) -> str:
        """What it rests on, in one sentence."""
        amounts = [f"{self.generated:,.0f} generated"]
        if self.trained is not None:
            amounts.append(f"{self.trained:,.0f} trained")
            amounts.append(f"{self.scored or BACKWARD * self.trained:,.0f} scored")
        of = "" if self.parameters is None else f" for {_size(self.parameters)} parameters"
        left_out = "" if self.trained is not None else "; updates are not counted, their rate is not known"
        return f"{', '.join(amounts)} tokens/s{of} on {self.device}, engine {self.engine} ({self.source}){left_out}."


def nearest(known: Sequence[Throughput], parameters: int | None, engine: str = "hf") -> Throughput | None:
    """The throughput measured on the policy whose size is nearest in ratio; of several of that size the one of this
    engine, else the fastest."""
    if not known:
        return None

    def distance(it: Throughput) -> float:
        if it.parameters is None or parameters is None:
            return 0.0
        return round(abs(math.log(parameters / it.parameters)), 2)

    return min(known, key=lambda it: (distance(it), it.engine not in (engine, "any"), -it.generated))


def by_hand(text: str) -> Throughput:
    """The throughput of `G[,T][@SIZE]`: generated and trained tokens per second, for a policy of SIZE parameters such
    as 1.5B, or for any policy. Raises UserError."""
    amounts, _, size = text.partition("@")
    try:
        rates = [float(part) for part in amounts.split(",")]
    except ValueError:
        rates = []
    parameters = named_size(size) if NAMED.fullmatch(size) else None
    wrong = not 1 <= len(rates) <= 2 or not all(1e-3 <= rate <= 1e12 for rate in rates)
    if wrong or ("@" in text and parameters is None):
        raise UserError(
            f"--tokens-per-second: got {text!r}, expected generated tokens per second, perhaps trained tokens per "
            "second after a comma, and the size that they are for after an @, e.g. 20000,30000@1.5B"
        )
    trained = rates[1] if len(rates) == 2 else None
    source = "given by hand" if parameters else "given by hand, for every policy"
    return Throughput(rates[0], trained, None, parameters, "one device", "any", True, source)


def read_throughput(path: Path) -> list[Throughput]:
    """What `benchmarks/gpu.py` wrote, or the ledger of a run beside its cell.json. Raises UserError."""
    try:
        if waits(path):
            raise UserError(f"--throughput: {str(path)!r} {no_file(path)}, expected a file of results")
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise UserError(f"--throughput: {str(path)!r} is larger than {LARGEST:,} bytes, expected a file of results")
        record = json.loads(utf8_text(content, f"--throughput: {path}"))
    except (OSError, ValueError, RecursionError) as error:
        why = explain(error) or error
        raise UserError(f"--throughput: {str(path)!r} is not readable as JSON: {why}") from error
    if isinstance(record, dict) and record.get("small"):
        raise UserError(f"--throughput: {str(path)!r} comes from a small run, whose numbers mean nothing")
    found: list[Throughput] = []
    if isinstance(record, dict) and isinstance(record.get("throughput"), list):
        found = [_measured(entry, path) for entry in record["throughput"]]
    elif isinstance(record, dict) and "rollout" in record:
        found = [_of_ledger(record, path)]
    if not found:
        raise UserError(
            f"--throughput: {str(path)!r} holds no throughput; expected the gpu.json of benchmarks/gpu.py, or the "
            "ledger.json of a run that has made rollouts"
        )
    return found


def rates_of(ledger: Mapping[str, Mapping[str, float]]) -> dict[str, float | None]:
    """Tokens per second of a ledger: `generated` by rollouts and probes, `trained` by updates, `scored` by passes of
    selection; None where a phase took no time.

    The phase `train` passes tokens forward alone too (log-probs of the sampling policy); they count a third of a
    trained one.
    """

    def total(field: str, *phases: str) -> float:
        return sum(ledger.get(phase, {}).get(field, 0.0) for phase in phases)

    updates = total("trained_tokens", "train") + total("scored_tokens", "train") / BACKWARD
    pairs = {
        "generated": (total("generated_tokens", "rollout", "probe"), total("seconds", "rollout", "probe")),
        "trained": (updates, total("seconds", "train")),
        "scored": (total("scored_tokens", "score"), total("seconds", "score")),
    }
    return {name: tokens / seconds if tokens and seconds else None for name, (tokens, seconds) in pairs.items()}


def _measured(entry: Any, path: Path) -> Throughput:
    try:
        return Throughput(
            generated=float(entry["generated_tokens_per_second"]),
            trained=_optional(entry.get("trained_tokens_per_second")),
            scored=_optional(entry.get("scored_tokens_per_second")),
            parameters=int(entry["parameters"]),
            device=str(entry["device"]),
            engine=str(entry["engine"]),
            gpu=bool(entry["gpu"]),
            source=str(path),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"--throughput: {str(path)!r}: an entry of `throughput` is not understood ({error!r}); expected "
            "generated_tokens_per_second, parameters, device, engine and gpu, as benchmarks/gpu.py writes them"
        ) from error


def _optional(value: Any) -> float | None:
    return None if value is None else float(value)


def _of_ledger(ledger: Mapping[str, Mapping[str, float]], path: Path) -> Throughput:
    rates = rates_of(ledger)
    generated = rates["generated"]
    if generated is None:
        raise UserError(f"--throughput: {str(path)!r} has no rollouts in it; expected the ledger of a run that has")
    stored = read_object(path.parent / "cell.json").get("cell")
    cell = stored if isinstance(stored, dict) else {}
    machine = read_object(path.parent / "environment.json")
    try:
        size = size_of(ModelSpec.model_validate(cell.get("model")))
    except ValidationError:
        size = None
    if size is None:
        raise UserError(
            f"--throughput: {str(path)!r} does not tell how many parameters its policy has; expected cell.json beside "
            "it, of a policy whose size is known"
        )
    engine = cell.get("train", {}).get("rollout", {}).get("engine", "hf")
    device = machine.get("accelerator") or machine.get("processor") or "an unknown device"
    gpu = machine.get("accelerator") is not None
    return Throughput(generated, rates["trained"], rates["scored"], size.parameters, device, engine, gpu, str(path))


def _size(parameters: int) -> str:
    return f"{parameters / 1e9:.3g} G" if parameters >= 1e9 else f"{parameters / 1e6:.3g} M"
