"""When a sound frame that cannot be decoded is kept raw: a device repeats what is not answered, for ever."""

from __future__ import annotations

import hashlib
from collections import OrderedDict

# Devices whose last frame could not be decoded. There are few; a stranger may pretend to be many.
DEVICES_MAX = 10_000


class Quarantine:
    """Counts how often each device has sent the same undecodable frame in a row, over all its connections."""

    def __init__(self, after: int) -> None:
        """`after`: how often it is sent before it is kept; 0: it is never kept."""
        self._after = after
        self._devices: OrderedDict[str, tuple[bytes, int]] = OrderedDict()

    def is_due(self, imei: str, frame: bytes) -> bool:
        """Count one such frame; whether it is to be kept now. It stays due until `forget`."""
        if not self._after:
            return False
        digest = hashlib.sha256(frame).digest()
        before, times = self._devices.pop(imei, (digest, 0))
        times = times + 1 if before == digest else 1
        self._devices[imei] = (digest, times)
        while len(self._devices) > DEVICES_MAX:
            self._devices.popitem(last=False)
        return times >= self._after

    def forget(self, imei: str) -> None:
        """The device has sent another frame, or its frame was kept."""
        if self._devices:
            self._devices.pop(imei, None)
