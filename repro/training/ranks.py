"""The processes of a data-parallel run: what they share, gather and split, and nothing where there is only one.

All ranks run the same code on the same inputs; whatever differs between them (rollouts, rewards, costs) is gathered
before anything is decided by it. Every method is collective: all ranks must call it, in the same order.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from repro.cache import Cache

T = TypeVar("T")

PATIENCE = timedelta(days=2)
"""How long ranks wait for one that works alone, e.g. fits a predictor. Where one dies, the launcher ends the others."""


@dataclass(frozen=True)
class Ranks:
    """This process (`index` of `count`) among those of its run; values travel over gloo, whatever gradients take."""

    index: int = 0
    count: int = 1
    group: Any = None  # torch.distributed's process group, None for one process

    @classmethod
    def of_this_process(cls) -> Ranks:
        """The ranks of the process group that a distributed launcher has set up; one where there is none."""
        import torch.distributed as dist

        if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
            return cls()
        return cls(dist.get_rank(), dist.get_world_size(), dist.new_group(backend="gloo", timeout=PATIENCE))

    @property
    def main(self) -> bool:
        """Is this rank 0, which decides and writes files?"""
        return self.index == 0

    def gather(self, value: T) -> list[T]:
        """The value of every rank, by rank."""
        if self.count == 1:
            return [value]
        import torch.distributed as dist

        values: list[Any] = [None] * self.count
        dist.all_gather_object(values, value, group=self.group)
        return values

    def shared(self, value: T) -> T:
        """Rank 0's value."""
        if self.count == 1:
            return value
        import torch.distributed as dist

        values: list[Any] = [value]
        dist.broadcast_object_list(values, src=0, group=self.group)
        return values[0]

    def wait(self) -> None:
        """Return once all ranks are here."""
        self.gather(None)

    def first(self, make: Callable[[], T]) -> T:
        """`make()` on rank 0, and then on the others, which find in the cache what it built."""
        made = [make()] if self.main else []
        self.wait()
        return made[0] if made else make()

    def share(self, items: Iterable[T]) -> list[T]:
        """This rank's part of `items`: contiguous, in order, as long on every rank.

        The last item is repeated where they do not divide: ranks that shard a model must make equally many passes.
        """
        whole = list(items)
        size = math.ceil(len(whole) / self.count)
        part = whole[self.index * size : (self.index + 1) * size]
        return part + whole[-1:] * (size - len(part))

    def join(self, part: Sequence[T], length: int) -> list[T]:
        """The `length` results for items that were split by `share`, in their order."""
        return [item for each in self.gather(part) for item in each][:length]

    def seed(self, *key: int) -> tuple[int, ...]:
        """A key of random numbers that differs between ranks; rank 0 keeps that of one process."""
        return key if self.main else (*key, self.index)


class RankedCache(Cache):
    """A cache whose items all ranks build together, because building samples on all of them; rank 0's is kept.

    The last bits of a pass, and with them some samples, depend on how many ranks share the work, so the items of each
    number of ranks lie apart (`apart`); what does not depend on it is shared with every other run.
    """

    def __init__(self, like: Cache, ranks: Ranks, *, apart: bool = True) -> None:
        super().__init__(like.root, suffix=like.suffix, check=like.check)
        self.ranks, self.apart = ranks, apart

    def directory(self, kind: str, key: str, build: Callable[[Path], None], *, anew: bool = False) -> Path:
        """As `Cache.directory`; collective."""
        if self.ranks.count == 1:
            return super().directory(kind, key, build, anew=anew)
        if self.apart:
            key = f"{key}-{self.ranks.count}-ranks"
        if self.ranks.main:
            built = False

            def together(folder: Path) -> None:
                nonlocal built
                built = True
                self.ranks.shared(True)
                build(folder)

            super().directory(kind, key, together, anew=anew)
            if not built:
                self.ranks.shared(False)
        elif self.ranks.shared(False):
            with tempfile.TemporaryDirectory() as scratch:
                build(Path(scratch))
        self.ranks.wait()
        return self._place(kind, key)
