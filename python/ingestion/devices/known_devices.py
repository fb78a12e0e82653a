"""Says which devices are known, by the list that was read last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from telemetry.chassis import progress
from telemetry.chassis.errors import ConfigError, RedisError, RedisMoved, RedisRefused

if TYPE_CHECKING:
    from ingestion.devices.allowlist import Allowlist
    from ingestion.journal.journal import Journal


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a login is worth."""

    is_known: bool
    is_accepted: bool


class KnownDevices:
    """The list, read at the start and again and again. A list that cannot be read leaves the last one in force."""

    def __init__(
        self, allowlist: Allowlist, journal: Journal, *, is_strict: bool, refresh_ms: int
    ) -> None:
        """`is_strict`: devices that are not known are refused."""
        self._allowlist = allowlist
        self._journal = journal
        self._is_strict = is_strict
        self._refresh_s = refresh_ms / 1000
        # As Redis sent them. None: no list was ever read.
        self._imeis: frozenset[bytes] | None = None

    def is_known(self, imei: str) -> bool:
        """Whether the device is on the list."""
        return self._imeis is not None and imei.encode() in self._imeis

    def verdict(self, imei: str) -> Verdict:
        """Whether the device is known, and whether it is accepted."""
        is_known = self.is_known(imei)
        return Verdict(is_known, is_known or not self._is_strict)

    async def start(self) -> None:
        """Read the list for the first time.

        Without strict authority it never raises: then every device is unknown. Else it raises ConfigError if there is
        no list, and RedisError if Redis may have it when it is asked again.
        """
        try:
            await self._read()
        except RedisError as error:
            if self._is_strict:
                raise self._fatal(error) from error
            self._not_read(str(error))
        if self._is_strict and self._imeis is None:
            raise ConfigError(self._missing())

    async def refresh(self) -> NoReturn:
        """Read the list again and again. Stops only when cancelled. Raises nothing that Redis does."""
        with progress.working():
            while True:
                await progress.pause(self._refresh_s)
                try:
                    await self._read()
                except RedisError as error:
                    self._not_read(str(error))

    async def _read(self) -> None:
        imeis = await self._allowlist.read()
        if self._is_strict and not imeis:
            # Redis has no empty sets: somebody has deleted it, or fills it at this moment.
            self._not_read("there is no such set")
            return
        self._imeis = imeis
        self._journal.devices_read(key=self._allowlist.key, devices=len(imeis))

    def _not_read(self, error: str) -> None:
        kept = None if self._imeis is None else len(self._imeis)
        self._journal.devices_not_read(key=self._allowlist.key, error=error, kept=kept)

    def _fatal(self, error: RedisError) -> Exception:
        if isinstance(error, RedisRefused) and not isinstance(error, RedisMoved):
            return ConfigError(f"{self._missing()} ({error})")
        return error

    def _missing(self) -> str:
        return (
            f"DEVICE_ALLOWLIST_KEY: with STRICT_DEVICE_AUTH=true the set {self._allowlist.key} has to be there"
            " at the start: fill it with the IMEIs of the fleet (SADD), or set STRICT_DEVICE_AUTH=false"
        )
