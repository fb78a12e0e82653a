"""The table against the contract, as the service's own role sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from processor.config import PostgresSettings
from processor.edges.postgres.operator_session import open_operator_session
from telemetry.chassis.config.variables import load

if TYPE_CHECKING:
    from collections.abc import Mapping

    from processor.core.schema import Findings

_WHERE_WE_ARE = "SELECT current_user::text, current_database()::text"


@dataclass(frozen=True, slots=True)
class CheckedTable:
    """What was found, and where; nothing here is a secret."""

    findings: Findings
    where: str
    database: str
    role: str

    def as_json(self) -> dict[str, object]:
        """The fields of contract section 10, and whose table it is."""
        return {
            "ok": not self.findings.differences,
            "differences": self.findings.differences,
            "warnings": self.findings.warnings,
            "server": self.where,
            "database": self.database,
            "role": self.role,
        }


async def check_table(environ: Mapping[str, str]) -> CheckedTable:
    """Check the table of POSTGRES_URL. Raises ConfigError, PostgresError."""
    settings = load(PostgresSettings, environ)
    async with open_operator_session(settings.postgres_url) as session:
        findings = await session.table_findings()
        [(role, database)] = await session.fetch(_WHERE_WE_ARE)
    return CheckedTable(findings, session.where, database, role)
