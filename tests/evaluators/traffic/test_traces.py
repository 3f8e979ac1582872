"""Azure's and Mooncake's traces as requests: lengths, times, shared blocks, and what is refused."""

import json
from pathlib import Path

import pytest

from trialogue.evaluators.errors import InvalidSpecification
from trialogue.evaluators.traffic.workload import Workload

AZURE = """TIMESTAMP,ContextTokens,GeneratedTokens
2023-11-16 18:17:03.9799600,4808,10
2023-11-16 18:17:04.0319600,3180,8
2023-11-16 18:17:05.9799600,110,0
2023-11-16 18:18:03.9799600,34,12
"""
MOONCAKE = (
    {"timestamp": 0, "input_length": 1300, "output_length": 5, "hash_ids": [0, 1, 2]},
    {"timestamp": 1500, "input_length": 1100, "output_length": 7, "hash_ids": [0, 1, 9]},
    {"timestamp": 9000, "input_length": 40, "output_length": 3, "hash_ids": [12]},
)


def azure(folder: Path, text: str = AZURE) -> Path:
    path = folder / "azure.csv"
    path.write_text(text)
    return path


def mooncake(folder: Path, *rows: dict) -> Path:
    path = folder / "mooncake.jsonl"
    path.write_text("\n".join(map(json.dumps, rows or MOONCAKE)))
    return path


def test_azures_lines_are_requests_at_their_times_without_the_unanswered(tmp_path: Path) -> None:
    rows = Workload.parse(f"{azure(tmp_path)}@recorded=true").rows()
    assert [(r["input_len"], r["output_len"]) for r in rows] == [(4808, 10), (3180, 8), (34, 12)]
    assert [r["at_s"] for r in rows] == pytest.approx([0.0, 0.052, 60.0], abs=1e-5)


def test_times_with_a_zone_and_columns_in_another_order_are_read(tmp_path: Path) -> None:
    text = (
        "generatedtokens,ContextTokens,TIMESTAMP\n7,9,2024-05-10 02:00:01+02:00\n3,4,2024-05-10 00:00:00Z\n"
    )
    rows = Workload.parse(f"{azure(tmp_path, text)}@recorded=true").rows()
    assert [(r["input_len"], r["at_s"]) for r in rows] == [(4, 0.0), (9, 1.0)]


def test_lengths_that_a_table_wrote_with_a_point_are_whole_numbers(tmp_path: Path) -> None:
    text = "TIMESTAMP,ContextTokens,GeneratedTokens\n2024-05-10 02:00:01,2162.0,5.0\n"
    (row,) = Workload.parse(str(azure(tmp_path, text))).rows()
    assert (row["input_len"], row["output_len"]) == (2162, 5)
    with pytest.raises(InvalidSpecification, match=r"line 2.*2162\.5"):
        Workload.parse(str(azure(tmp_path, text.replace("2162.0", "2162.5"))))


def test_mooncakes_blocks_are_what_prompts_have_in_common(tmp_path: Path) -> None:
    rows = Workload.parse(f"{mooncake(tmp_path)}@recorded=true").rows()
    assert [(r["blocks"], r["block_len"]) for r in rows] == [([0, 1, 2], 512), ([0, 1, 9], 512), ([12], 512)]
    assert [(r["input_len"], r["output_len"], r["at_s"]) for r in rows] == [
        (1300, 5, 0.0),
        (1100, 7, 1.5),
        (40, 3, 9.0),
    ]


def test_a_trace_can_also_be_sent_at_a_rate_or_as_fast_as_it_is_answered(tmp_path: Path) -> None:
    assert Workload.parse(f"{mooncake(tmp_path)}@rate=4").rate == 4.0
    assert len(Workload.parse(f"{azure(tmp_path)}@concurrency=2,prompts=2").rows()) == 2


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("TIMESTAMP,ContextTokens\n1,2\n", "GeneratedTokens"),
        ("", "columns"),
        (f"{AZURE}soon,3,4\n", "line 6.*TIMESTAMP"),
        (f"{AZURE}2023-11-16 18:17:03,many,4\n", "line 6.*contexttokens.*'many'"),
        (f"{AZURE}2023-11-16 18:17:03,3\n", "line 6.*generatedtokens"),
        (f"{AZURE}2023-11-16 18:17:03,-3,4\n", "line 6.*-3"),
        (f'{AZURE}"2023', "CSV"),
        ("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03,0,4\n", "none in"),
    ],
)
def test_a_csv_that_is_no_trace_is_refused_with_the_line(text: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidSpecification, match=told):
        Workload.parse(str(azure(tmp_path, text)))


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"hash_ids": "abc"}, "hash_ids"),
        ({"hash_ids": [1, None]}, "hash_ids.*None"),
        ({"timestamp": "noon"}, "timestamp.*milliseconds.*'noon'"),
        ({"input_length": 1.5}, "input_length.*1.5"),
        ({"output_length": True}, "output_length.*True"),
    ],
)
def test_a_line_that_is_no_request_is_refused_with_its_place(
    changed: dict, told: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidSpecification, match=f"line 2.*{told}"):
        Workload.parse(str(mooncake(tmp_path, MOONCAKE[0], MOONCAKE[1] | changed)))
