"""The binding of the AVL decoder."""

from __future__ import annotations

import sys
import threading

import pytest

from telemetry._codec import AvlFrame, decode_avl
from tests.support.vectors import DRIVE, GOOD

DEVICE = "356307042441013"


def test_another_thread_runs_while_frames_are_decoded() -> None:
    drive = bytes.fromhex("".join(DRIVE.read_text().split()))
    gate, ran = threading.Lock(), threading.Event()
    gate.acquire()

    def wait_for_the_gate() -> None:
        with gate:
            ran.set()

    thread = threading.Thread(target=wait_for_the_gate)
    thread.start()
    interval = sys.getswitchinterval()
    # From here on the other thread gets the GIL only if this one gives it away.
    sys.setswitchinterval(1_000)
    try:
        gate.release()
        ran_before = ran.is_set()
        frames = decode_avl(drive * 10, DEVICE, resync=True)
        ran_meanwhile = ran.is_set()
    finally:
        sys.setswitchinterval(interval)
        thread.join()
    assert len(frames) == 32_080
    assert (ran_before, ran_meanwhile) == (False, True)


def test_a_device_id_that_is_no_imei_is_refused() -> None:
    for device_id in ("", "35630704244101", '35630704244101"', "٣٥٦٣٠٧٠٤٢٤٤١٠١٣"):
        with pytest.raises(ValueError, match="fifteen digits"):
            decode_avl(bytes.fromhex(GOOD), device_id, resync=False)


def test_frames_are_frozen() -> None:
    (frame,) = decode_avl(bytes.fromhex(GOOD), DEVICE, resync=False)
    assert isinstance(frame, AvlFrame)
    assert (frame.start, frame.frame_bytes, frame.codec, frame.command) == (0, 66, "8", False)
    with pytest.raises(AttributeError):
        frame.codec = "16"  # type: ignore[misc]
