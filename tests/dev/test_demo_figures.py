"""The demo's summary has the servers' figures, and notices when they are wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import psycopg

from dev.demo.figures import Summary, count_rows, drive_truth
from dev.demo.picture import draw_drive, project, title, ways
from dev.demo.rows import Fix, export_rows, read_track

if TYPE_CHECKING:
    from pathlib import Path

    from dev.servers import Database

ROW = """
    INSERT INTO positions (device_id, ts, latitude, longitude, altitude, angle, speed,
                           satellites, priority, codec, attributes)
    VALUES ('1', %s, 41.3, 19.8, 1, 2, 3, %s, 0, '8', '{}')
"""
START = datetime(2026, 5, 1, tzinfo=UTC)
DRIVE_TRUTH = drive_truth(1)


def test_each_figure_that_is_not_the_truth_is_named() -> None:
    assert DRIVE_TRUTH.differences(DRIVE_TRUTH) == []
    short = replace(DRIVE_TRUTH, inserted=12_374, pending=1)
    assert short.differences(DRIVE_TRUTH) == [
        "inserted: 12,374 instead of 12,375",
        "pending: 1 instead of 0",
    ]


def test_the_json_summary_is_one_line_with_the_promised_keys() -> None:
    line = Summary(DRIVE_TRUTH, seconds=2.0).as_json()
    assert "\n" not in line
    assert json.loads(line) == {
        "frames": 3208,
        "frames_answered": 3208,
        "records": 13732,
        "inserted": 12375,
        "duplicates": 1357,
        "rejected": 0,
        "lag": 0,
        "pending": 0,
        "seconds": 2.0,
        "records_per_second": 6866,
    }


def test_rows_are_counted_and_exported_but_only_fixes_are_on_the_track(
    database: Database, tmp_path: Path
) -> None:
    with psycopg.connect(database.processor_url) as connection:
        for second, satellites in enumerate((7, 0, 9)):
            connection.execute(ROW, (START + timedelta(seconds=second), satellites))
    assert count_rows(database.admin_url) == 3
    export_rows(database.processor_url, tmp_path / "rows.csv")
    lines = (tmp_path / "rows.csv").read_text().splitlines()
    assert lines[0].startswith("device_id,ts,ingested_at,latitude")
    assert len(lines) == 4
    assert [fix.ts for fix in read_track(database.processor_url)] == [
        START,
        START + timedelta(seconds=2),
    ]


def test_the_map_has_equal_metres_in_both_directions() -> None:
    # At 60 degrees north a degree of longitude is half as long as one of latitude.
    track = [Fix("1", START, 60.0, 20.0, 0.0), Fix("1", START, 60.001, 20.002, 0.0)]
    east, north = project(track)[1] - project(track)[0]
    assert abs(east - north) < 0.01


def test_the_picture_is_a_png(tmp_path: Path) -> None:
    track = [Fix("1", START + timedelta(seconds=n), 41.3 + n / 1e4, 19.8, n) for n in range(3)]
    draw_drive(track, tmp_path / "drive.png")
    assert (tmp_path / "drive.png").read_bytes().startswith(b"\x89PNG")


def test_several_vehicles_are_drawn_around_the_first_one_and_not_joined() -> None:
    track = [
        Fix(device_id, START + timedelta(seconds=n), 41.3, 19.8 + east, 0.0)
        for device_id, east in (("1", 0.0), ("2", 0.05), ("3", 0.1))
        for n in range(3)
    ]
    places = project(track)
    assert abs(places[0]).max() < 0.01
    joined = ways(track, places).get_segments()
    assert len(joined) == 6
    assert all(abs(np.diff(segment, axis=0)).max() < 0.01 for segment in joined)
    assert title(track) == "9 fixes of 3 vehicles, 2026-05-01 to 2026-05-01"
