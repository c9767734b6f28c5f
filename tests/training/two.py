"""Runs a function on two processes over gloo, each with one thread, as ranks of one run."""

from __future__ import annotations

import multiprocessing
import os
import socket
import traceback
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState

from repro.training.ranks import Ranks

ENVIRONMENT = ("MLFLOW_TRACKING_URI", "HF_HUB_OFFLINE")


def on_two(function: Callable[..., Any], *arguments: Any, folder: Path | None = None) -> list[Any]:
    """What `function(ranks, *arguments)` returns on each rank; its exception as a RuntimeError with the traceback.

    None for a rank that was killed. The processes are forked from a server that has imported everything.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["repro.launch.launchers.local.preload"])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
    environment |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "OMP_NUM_THREADS": "1"}
    started, pipes = [], []
    for rank in range(2):
        ours, theirs = context.Pipe()
        own = {**environment, "RANK": str(rank), "LOCAL_RANK": str(rank)}
        process = context.Process(target=_enter, args=(function, arguments, own, folder or Path.cwd(), theirs))
        process.start()
        theirs.close()
        started.append(process)
        pipes.append(ours)
    answers: list[Any] = [None, None]
    errors: list[str] = []
    killed = False
    try:
        for rank in _in_order_of_answers(pipes):
            try:
                failed, answer = pipes[rank].recv()
            except EOFError:
                killed = True
                continue
            if failed:
                errors.append(answer)
            else:
                answers[rank] = answer
    finally:
        for process in started:
            process.kill()
            process.join()
    if errors and not killed:  # where one was killed the other fails for want of it
        raise RuntimeError(errors[0])
    return answers


def _in_order_of_answers(pipes: list[Connection]) -> Iterator[int]:
    left = list(pipes)
    while left:
        ready = wait(left, timeout=300)
        assert ready, "no answer from a rank"
        for pipe in ready:
            left.remove(pipe)  # type: ignore[arg-type]
            yield pipes.index(pipe)  # type: ignore[arg-type]


def _enter(
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    environment: dict[str, str],
    folder: Path,
    pipe: Connection,
) -> None:
    os.environ.update(environment)
    os.chdir(folder)
    torch.set_num_threads(1)
    try:
        PartialState(cpu=True)
        pipe.send((False, function(Ranks.of_this_process(), *arguments)))
    except BaseException:
        pipe.send((True, traceback.format_exc()))
