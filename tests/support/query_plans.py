"""The plans of queries in a store's session, without running them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from processor.edges.postgres.store import PostgresStore


async def plan_of(
    store: PostgresStore, query: str, parameters: Sequence[object]
) -> list[dict[str, Any]]:
    """The nodes of the plan in the store's session, the topmost first."""
    await store.connect()
    assert store._session.connection is not None
    [(answer,)] = await store._session.connection.fetch_raw(
        f"EXPLAIN (FORMAT JSON) {query}", parameters
    )

    assert isinstance(answer, list)

    def walk(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
        yield node
        for child in node.get("Plans", ()):
            yield from walk(child)

    return list(walk(answer[0]["Plan"]))


def scans_of(plan: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The nodes that read the table or a chunk; not those that put chunks together."""
    return [node for node in plan if "Relation Name" in node and "Plans" not in node]
