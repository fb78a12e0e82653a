"""A Redis Cluster for the tests of a module, whole again behind each of them, and who fills a stream in it."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, Self

import pytest
import redis

from dev.servers.redis_cluster import RedisCluster, launch_cluster
from tests.support.processes import until
from tests.support.servers import entry

if TYPE_CHECKING:
    from dev.servers import RedisBinary
    from dev.servers.redis_cluster import ClusterNode

# Between two entries: what a test counts is not how fast a cluster is.
PAUSE_S: Final = 0.001
GARBAGE_EVERY: Final = 50

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def running_cluster(redis_binary: RedisBinary) -> Iterator[RedisCluster]:
    """Three masters and three replicas."""
    with launch_cluster(redis_binary) as cluster:
        yield cluster


@pytest.fixture
def cluster(running_cluster: RedisCluster) -> Iterator[RedisCluster]:
    """The module's cluster; nodes that the test has killed run again afterwards."""
    yield running_cluster
    for node in running_cluster.nodes:
        node.server.process.restore()
    running_cluster.until_well()


@pytest.fixture
def cluster_of(request: pytest.FixtureRequest, redis_binary: RedisBinary) -> Iterator[RedisCluster]:
    """The module's cluster, or with the parameter `RESP2` one that knows nothing else."""
    if request.param == "RESP3":
        yield request.getfixturevalue("cluster")
        return
    with launch_cluster(redis_binary, extra_args=["--rename-command", "HELLO", ""]) as cluster:
        yield cluster


@pytest.fixture
def clustered_stream() -> str:
    """A stream for this test alone, whose keys are in one slot."""
    return f"telemetry:{{cluster-{next(_numbers)}}}"


def move(cluster: RedisCluster, stream: str, source: ClusterNode, to: ClusterNode) -> None:
    """Move what is left of a stream's slot, and give the slot away."""
    slot = cluster.slot_of(stream)
    while keys := source.ask("CLUSTER", "GETKEYSINSLOT", slot, 100):
        for key in keys:
            cluster.move_key(key.decode(), source, to)
    cluster.end_move(stream, source, to)


class Producer:
    """Fills a stream from a thread of its own until the end of the block, with a client of its own.

    Every so often an entry is garbage, of which a dead letter is to be made.
    """

    def __init__(self, cluster: RedisCluster, stream: str, *, replicas: int = 0) -> None:
        """`replicas`: an entry is confirmed when so many have it, as WAIT says."""
        self.sent: list[tuple[str, str]] = []
        """Device and time of each position that was sent, whatever became of it."""
        self.confirmed: list[tuple[str, str]] = []
        self.garbage = 0
        """Entries that are none, and were confirmed."""
        self._client = cluster.client()
        self._stream = stream
        self.replicas = replicas
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._fill, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._client.close()

    def until_more(self, count: int = 200) -> None:
        """Wait until so many more entries are confirmed."""
        goal = len(self.confirmed) + count
        until(lambda: len(self.confirmed) >= goal, f"{count} more entries")

    def _fill(self) -> None:
        for number in itertools.takewhile(lambda _: not self._stop.is_set(), itertools.count()):
            if number % GARBAGE_EVERY == GARBAGE_EVERY - 1:
                self.garbage += self._add({"codec": "8", "payload": f"no JSON {number}"})
            else:
                fields: Any = entry(number % 10, number)
                key = (fields["device_id"], fields["ts"])
                self.sent.append(key)
                if self._add(fields):
                    self.confirmed.append(key)
            time.sleep(PAUSE_S)

    def _add(self, fields: Any) -> bool:
        try:
            self._client.xadd(self._stream, fields)
            node = self._client.get_node_from_key(self._stream)  # type: ignore[no-untyped-call]
            have_it: Any = self._client.wait(self.replicas, 1_000, target_nodes=node)
        except redis.RedisError:
            return False
        return int(have_it) >= self.replicas
