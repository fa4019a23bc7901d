"""Adding counts to rows: the one statement that many workers may send at once."""

from __future__ import annotations

from django.db import connection

from releng.uptake.counting import Counts
from releng.uptake.models import UptakeCount

ROWS_AT_ONCE = 500
Level = UptakeCount.Level


def add(level: Level, counts: Counts) -> None:
    """Add counts to the rows of a level; rows that are not there yet are made. Within the caller's transaction.

    Always in one order, so that two workers that add to the same rows never wait for each other in a circle.
    """
    rows = sorted(counts.items())
    table = connection.ops.quote_name(UptakeCount._meta.db_table)
    adapt = connection.ops.adapt_datetimefield_value
    with connection.cursor() as cursor:
        for position in range(0, len(rows), ROWS_AT_ONCE):
            batch = rows[position : position + ROWS_AT_ONCE]
            marks = ", ".join(["(%s, %s, %s, %s, %s, %s, %s)"] * len(batch))
            cursor.execute(
                f"INSERT INTO {table} (level, start, product, channel, version, build_target, requests) "
                f"VALUES {marks} ON CONFLICT (product, channel, start, level, version, build_target) "
                f"DO UPDATE SET requests = {table}.requests + excluded.requests",
                [
                    value
                    for (start, client), requests in batch
                    for value in (level.value, adapt(start), *client, requests)
                ],
            )
