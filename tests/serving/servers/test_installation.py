"""What several engines need to know of the machine: here the memory, of which a container may have less."""

from pathlib import Path

from trialogue.serving.servers.installation import memory_bytes


def test_a_container_s_limit_counts_where_it_is_less_than_the_machine_has(tmp_path: Path) -> None:
    limit = tmp_path / "memory.max"
    physical = memory_bytes(limit)
    assert physical > 2**20
    for words, memory in (("max\n", physical), ("1048576\n", 2**20), (f"{2 * physical}\n", physical)):
        limit.write_text(words)
        assert memory_bytes(limit) == memory
