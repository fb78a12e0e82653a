"""Both services on a Redis Cluster: slots that move, masters that die, and shards by configuration alone."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from dev.servers.redis_cluster import RedisCluster
from telemetry.chassis.control import tally
from tests.support.clusters import Producer, move
from tests.support.ingestion import HOST, Ingestion, published
from tests.support.ingestion import RUN as RUN_INGESTION
from tests.support.operators import Commands
from tests.support.processes import QUICK_CLAIMS, RUN, WAIT_S_MAX, Service, base_environment, until
from tests.support.servers import GROUP, Servers, entry
from tests.support.simulations import records, started

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dev.servers import Database
    from dev.servers.redis_cluster import ClusterNode


class Services:
    """Starts services on the cluster; each is led there by one node."""

    def __init__(self, database: Database, directory: Path) -> None:
        self.running: list[Service] = []
        self._database = database
        self._directory = directory

    def processor(self, seed: ClusterNode, stream: str, **env: str) -> Service:
        settings = {
            **base_environment(self._directory),
            **QUICK_CLAIMS,
            "REDIS_URL": seed.server.processor_url,
            "POSTGRES_URL": self._database.processor_url,
            "REDIS_TELEMETRY_STREAM": stream,
            "DLQ_MAX_ATTEMPTS": "1",
            **env,
        }
        service = Service(settings, self._stderr(), RUN)
        self.running.append(service)
        return service

    def ingestion(self, seed: ClusterNode, streams: str, **env: str) -> Ingestion:
        settings = {
            **base_environment(self._directory),
            "TELTONIKA_HOST": HOST,
            "TELTONIKA_PORT": "0",
            "REDIS_URL": seed.server.ingestion_url,
            "REDIS_TELEMETRY_STREAM": streams,
            "CONNECT_BACKOFF_MAX_MS": "200",
            **env,
        }
        service = Ingestion(settings, self._stderr(), RUN_INGESTION)
        self.running.append(service)
        return service

    def _stderr(self) -> Path:
        return self._directory / f"stderr-{len(self.running)}"


@pytest.fixture
def services(database: Database, tmp_path: Path) -> Iterator[Services]:
    made = Services(database, tmp_path)
    yield made
    for service in made.running:
        service.kill()
        assert "Traceback" not in service.report() + str(service.lines)


# Device and time of each row, as entries of tcp-ingestion have them.
ROWS_MS = """SELECT device_id, to_char(ts AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') FROM positions"""


def rows_of(servers: Servers) -> Counter[tuple[str, str]]:
    """Device and time of each row, as entries have them."""
    with servers.owner() as owner:
        found = owner.execute(
            "SELECT device_id, to_char(ts AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') FROM positions"
        )
        return Counter((device, ts) for device, ts in found)


@pytest.mark.parametrize("cluster_of", ["RESP3", "RESP2"], indirect=True)
def test_each_entry_is_settled_once_while_a_slot_moves_and_stays_half_way(
    cluster_of: RedisCluster, clustered_stream: str, database: Database, services: Services
) -> None:
    cluster, stream = cluster_of, clustered_stream
    source = cluster.master_of(stream)
    target = cluster.other_master(source)
    servers = Servers(source.client, stream, database)
    seed = next(node for node in cluster.nodes if node not in {source, target})
    service = services.processor(seed, stream).ready()
    with Producer(cluster, stream) as producer:

        def go_on() -> None:
            producer.until_more()
            servers.until_rows(len(producer.confirmed))

        go_on()
        cluster.begin_move(stream, target)
        go_on()  # the stream is here; what is not here is asked for there
        cluster.move_key(stream, source, target)
        go_on()  # the stream is there, and the slot is not yet
        move(cluster, stream, source, target)
        go_on()
    moved = Servers(target.client, stream, database)
    moved.until_settled()
    assert rows_of(moved) == Counter(producer.sent)
    assert target.client.xlen(f"{stream}:dlq") == producer.garbage > 0
    assert not service.logged("consumer group is gone")
    assert service.stop() == 0
    # Nothing was made a second time where the slot came from.
    assert source.ask("CLUSTER", "GETKEYSINSLOT", cluster.slot_of(stream), 10) == []


def test_a_blocked_read_goes_after_its_stream_and_calls_nothing_gone(
    cluster: RedisCluster, clustered_stream: str, database: Database, services: Services
) -> None:
    stream = clustered_stream
    source = cluster.master_of(stream)
    target = cluster.other_master(source)
    service = services.processor(source, stream, BATCH_BLOCK_MS="60000").ready()
    clients: Any = source.client.client_list
    until(lambda: any("b" in each["flags"] for each in clients()), "a read is blocked")
    cluster.begin_move(stream, target)
    cluster.move_key(stream, source, target)
    with cluster.client() as client:
        client.xadd(stream, entry(1, 1))
    moved = Servers(target.client, stream, database)
    moved.until_rows(1)
    assert not service.logged("read failed")
    assert service.stop() == 0
    move(cluster, stream, source, target)


def test_what_a_replica_has_is_settled_once_when_its_master_dies(
    cluster: RedisCluster, clustered_stream: str, database: Database, services: Services
) -> None:
    stream = clustered_stream
    old = cluster.master_of(stream)
    # The seed itself dies: it is needed at the start alone.
    service = services.processor(old, stream, CONNECT_BACKOFF_MAX_MS="100").ready()
    servers = Servers(old.client, stream, database)
    with Producer(cluster, stream, replicas=1) as producer:
        producer.until_more(500)
        old.server.process.kill()
        # Who takes over has no replica of its own.
        producer.replicas = 0
        assert service.until_not_ready("redis")
        producer.until_more(500)
        service.until_ready_again()
    new = Servers(cluster.master_of(stream).client, stream, database)
    new.until_settled()
    rows = rows_of(servers)
    assert not Counter(producer.confirmed) - rows, "each confirmed entry is a row"
    assert not rows - Counter(producer.sent), "and no row is there twice, or of nobody"
    assert not service.logged("consumer group is gone")
    assert service.stop() == 0


def test_shards_are_a_list_of_names_and_what_is_answered_is_a_row_while_one_of_them_moves(
    cluster: RedisCluster, database: Database, services: Services, tmp_path: Path
) -> None:
    streams = ("telemetry:{0}", "telemetry:{1}")
    masters = [cluster.master_of(stream) for stream in streams]
    assert masters[0] is not masters[1]
    processors = [
        services.processor(masters[0], stream, INSTANCE_ID=f"processor-{number}").ready()
        for number, stream in enumerate(streams)
    ]
    service = services.ingestion(masters[0], ",".join(streams)).ready()
    answered = tmp_path / "answered"
    simulation = started(
        f"{HOST}:{service.port}", "--answered", answered,
        "--devices", "40", "--rate", "400", "--seconds", "2", "--resend-share", "0.1",
    )  # fmt: skip
    source, target = masters
    until(lambda: source.client.xlen(streams[0]) > 200, "devices are answered")
    cluster.begin_move(streams[0], target)
    cluster.move_key(streams[0], source, target)
    # Half way: the old master sends each frame to the new one.
    had = entries_added(target, streams[0])
    until(lambda: entries_added(target, streams[0]) > had + 50, "devices are answered half way")
    move(cluster, streams[0], source, target)
    _, said = simulation.communicate(timeout=2 * WAIT_S_MAX)
    assert simulation.returncode == 0, said
    masters = [cluster.master_of(stream) for stream in streams]
    assert masters == [target, target]
    shards = [
        Servers(master.client, stream, database)
        for master, stream in zip(masters, streams, strict=True)
    ]
    for shard in shards:
        shard.until_settled()
    devices = [{device for device, _ in published(shard.redis, shard.stream)} for shard in shards]
    assert len(devices[0]) + len(devices[1]) == 40
    assert all(devices)
    assert not devices[0] & devices[1]
    with shards[0].owner() as owner:
        found = owner.execute(ROWS_MS).fetchall()
    assert Counter(found) == Counter(records(answered).keys())
    # No device had to send again what the move had cost.
    errors = {name: n for name, n in service.metrics().items() if "redis_errors_total" in name}
    assert errors
    assert not any(errors.values()), errors
    assert [each.stop() for each in [service, *processors]] == [0, 0, 0]


def entries_added(node: ClusterNode, stream: str) -> int:
    """What a stream has ever had, of a node that its slot is moving to."""
    with node.client.client() as asking:  # type: ignore[no-untyped-call]
        asking.execute_command("ASKING")
        return int(asking.xinfo_stream(stream)["entries-added"])


def test_commands_work_from_any_node(
    cluster: RedisCluster,
    clustered_stream: str,
    database: Database,
    services: Services,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stream = clustered_stream
    master = cluster.master_of(stream)
    service = services.processor(master, stream).ready()
    seed = cluster.other_master(master).server
    environment = {
        "REDIS_URL": seed.operator_url,
        "REDIS_TELEMETRY_STREAM": stream,
        "POSTGRES_URL": database.processor_url,
    }
    commands = Commands(environment, monkeypatch, capsys)
    monkeypatch.setattr(tally, "ANSWER_S", 0.3)
    for number in range(3):
        master.client.xadd(stream, {"codec": "8", "payload": f"no JSON {number}"})
    until(lambda: master.client.xlen(f"{stream}:dlq") == 3, "dead letters")
    master.client.xgroup_createconsumer(stream, GROUP, "dead")

    def asked(*words: str) -> dict[str, Any]:
        ended = commands(*words, "--json")
        assert ended.code == 0, ended.err
        return ended.json

    assert asked("status")["dead_letters"]["count"] >= 3
    assert asked("lag")["stream"] == stream
    assert asked("pending")["total"] == 0
    assert "dead" in [each["name"] for each in asked("consumers")["consumers"]]
    assert asked("consumers", "prune", "--min-idle-ms", "1")["removed"] == ["dead"]
    assert [each["instance_id"] for each in asked("instances")["instances"]] == ["processor-1"]
    letters = asked("dlq", "list")["letters"]
    assert len(letters) >= 3
    assert asked("dlq", "drop", letters[0]["id"], "--yes")["dropped"] == 1
    assert asked("dlq", "replay", letters[1]["id"])["replayed"] == 1
    plain = commands("pending", REDIS_TELEMETRY_STREAM="telemetry:plain")
    assert (plain.code, plain.out) == (78, "")
    assert "give it a name with a hash tag" in plain.err
    other = commands("lag", REDIS_URL=seed.operator_url.removesuffix("/0") + "/3")
    assert (other.code, other.out) == (78, "")
    assert "no other database than 0" in other.err
    assert service.stop() == 0


def test_a_stream_without_a_hash_tag_ends_the_start_with_what_to_do(
    cluster: RedisCluster, services: Services
) -> None:
    service = services.processor(cluster.nodes[0], "telemetry:plain")
    said = service.wait_for("bad configuration")["msg"]
    assert "REDIS_TELEMETRY_STREAM: this Redis is a cluster" in said
    assert "as in telemetry:{teltonika}" in said
    assert service.wait() == 78


def test_tcp_ingestion_needs_a_hash_tag_as_well(cluster: RedisCluster, services: Services) -> None:
    service = services.ingestion(cluster.nodes[0], "telemetry:{0},telemetry:plain")
    assert "hash tag" in service.wait_for("bad configuration")["msg"]
    assert service.wait() == 78
