"""What a store has, for the tests of delivery."""

from __future__ import annotations

import sqlite3

from repro.tracking.run_record import RunRecord


def query(uri: str, sql: str) -> list[tuple]:
    with sqlite3.connect(uri.removeprefix("sqlite:///")) as connection:
        return connection.execute(sql).fetchall()


def only(records: list[RunRecord]) -> RunRecord:
    assert len(records) == 1
    return records[0]
