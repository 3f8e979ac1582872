"""Tables of the ledger and their migrations. Optuna's tables, the mirror, are in ``mirror.py``.

They carry the prefix ``trialogue_`` and refer to a trial by (study, number). There are no foreign keys into Optuna's
tables: whatever happens there, nothing happens here. Migrations are numbered and append-only: a released one is never
edited.
"""

import json
from typing import Any

import sqlalchemy as sa

from ...evaluators.spaces.base import finite_number, shown

metadata = sa.MetaData()


def _ours(table: str, /, **columns: type[sa.types.TypeEngine]) -> sa.Table:
    return sa.Table(f"trialogue_{table}", metadata, *(sa.Column(c, t) for c, t in columns.items()))


_I, _T, _F = sa.Integer, sa.Text, sa.Double

schema = _ours("schema", version=_I, applied_at=_F, last_study_id=_I)
studies = _ours(
    "studies", study_id=_I, problem=_T, seed=_I, config=_T, lineage=_T, created_at=_F, revision=_I, asked=_I,
    next_number=_I, queued=_I, queue_end=_I, calls=_I, tokens=_I, price=_F, name=_T, note=_T,
)  # fmt: skip
trials = _ours(
    "trials", study_id=_I, number=_I, trial_id=_I, key=_T, replicate=_I, revision=_I, state=_T, params=_T, source=_T,
    verdict=_T, decision=_T, value=_F, feasible=_I, outcome=_T, excluded=_T, started_at=_F, ended_at=_F, note=_T,
)  # fmt: skip
leases = _ours(
    "leases", study_id=_I, number=_I, worker=_T, host=_T, boot_id=_T, pid=_I, process_started=_T, expires_at=_F,
    expires_mono=_F,
)  # fmt: skip
queue = _ours("queue", study_id=_I, position=_I, params=_T, source=_T, reason=_T)
reports = _ours("reports", study_id=_I, number=_I, step=_I, value=_F)
events = _ours("events", study_id=_I, number=_I, at=_F, kind=_T, trial_number=_I, data=_T)
calls = _ours(
    "calls", study_id=_I, number=_I, at=_F, model=_T, purpose=_T, prompt_hash=_T, outcome=_T, prompt_tokens=_I,
    completion_tokens=_I, latency_s=_F, price=_F, detail=_T,
)  # fmt: skip
messages = _ours("messages", study_id=_I, number=_I, at=_F, role=_T, data=_T)
api_keys = _ours(
    "api_keys", name=_T, sha256=_T, scope=_T, studies=_T, made_at=_F, requests_per_minute=_I, asks_per_day=_I,
    tokens_per_day=_I,
)  # fmt: skip
api_use = _ours("api_use", name=_T, day=_I, asks=_I, tokens=_I)
api_answers = _ours("api_answers", key=_T, at=_F, status=_I, body=_T)

OWN_BY_STUDY = (studies, trials, leases, queue, reports, events, calls, messages)

SCHEMA_TABLE = """CREATE TABLE IF NOT EXISTS trialogue_schema
    (version INTEGER PRIMARY KEY, applied_at DOUBLE PRECISION NOT NULL, last_study_id INTEGER NOT NULL)"""
"""Which migrations were applied, and the newest study id ever given out (for SQLite, which reuses them)."""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE trialogue_studies (study_id INTEGER PRIMARY KEY, problem TEXT NOT NULL, seed BIGINT NOT NULL,
           config TEXT NOT NULL, lineage TEXT, created_at DOUBLE PRECISION NOT NULL, revision INTEGER NOT NULL,
           asked INTEGER NOT NULL, next_number INTEGER NOT NULL, last_trial_id INTEGER NOT NULL, queued INTEGER NOT
           NULL, queue_end INTEGER NOT NULL, calls INTEGER NOT NULL, tokens INTEGER NOT NULL, price DOUBLE PRECISION
           NOT NULL)""",
        """CREATE TABLE trialogue_trials (study_id INTEGER NOT NULL, number INTEGER NOT NULL, trial_id INTEGER NOT NULL,
           key TEXT NOT NULL, replicate INTEGER NOT NULL, revision INTEGER NOT NULL, state TEXT NOT NULL, params TEXT
           NOT NULL, source TEXT NOT NULL, verdict TEXT NOT NULL, decision TEXT NOT NULL, value DOUBLE PRECISION,
           feasible INTEGER, outcome TEXT, excluded TEXT, started_at DOUBLE PRECISION, ended_at DOUBLE PRECISION,
           PRIMARY KEY (study_id, number), UNIQUE (study_id, key, replicate))""",
        "CREATE INDEX trialogue_trials_by_revision ON trialogue_trials (study_id, revision)",
        """CREATE TABLE trialogue_leases (study_id INTEGER NOT NULL, number INTEGER NOT NULL, worker TEXT NOT NULL,
           host TEXT NOT NULL, boot_id TEXT NOT NULL, pid INTEGER, process_started TEXT, expires_at DOUBLE PRECISION
           NOT NULL, PRIMARY KEY (study_id, number))""",
        """CREATE TABLE trialogue_queue (study_id INTEGER NOT NULL, position INTEGER NOT NULL, params TEXT NOT NULL,
           source TEXT NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (study_id, position))""",
        """CREATE TABLE trialogue_events (study_id INTEGER NOT NULL, number INTEGER NOT NULL, at DOUBLE PRECISION NOT
        NULL,
           kind TEXT NOT NULL, trial_number INTEGER, data TEXT NOT NULL, PRIMARY KEY (study_id, number))""",
        """CREATE TABLE trialogue_calls (study_id INTEGER NOT NULL, number INTEGER NOT NULL, at DOUBLE PRECISION NOT
        NULL,
           model TEXT NOT NULL, purpose TEXT NOT NULL, prompt_hash TEXT NOT NULL, outcome TEXT NOT NULL,
           prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, latency_s DOUBLE PRECISION NOT NULL,
           price DOUBLE PRECISION, detail TEXT NOT NULL, PRIMARY KEY (study_id, number))""",
    ),
    (
        """CREATE TABLE trialogue_messages (study_id INTEGER NOT NULL, number INTEGER NOT NULL, at DOUBLE PRECISION NOT
        NULL,
           role TEXT NOT NULL, data TEXT NOT NULL, PRIMARY KEY (study_id, number))""",
        """CREATE TABLE trialogue_api_keys (name TEXT PRIMARY KEY, sha256 TEXT NOT NULL UNIQUE, scope TEXT NOT NULL,
        studies TEXT,
           made_at DOUBLE PRECISION NOT NULL, requests_per_minute INTEGER, asks_per_day BIGINT, tokens_per_day
           BIGINT)""",
        """CREATE TABLE trialogue_api_use (name TEXT NOT NULL, day INTEGER NOT NULL, asks BIGINT NOT NULL, tokens
        BIGINT NOT NULL,
           PRIMARY KEY (name, day))""",
        """CREATE TABLE trialogue_api_answers (key TEXT PRIMARY KEY, at DOUBLE PRECISION NOT NULL, status INTEGER NOT
        NULL,
           body TEXT NOT NULL)""",
    ),
    (  # headlines of a study with 100,000 trials: its counts, and its best, without reading the trials' texts
        """CREATE INDEX trialogue_trials_by_kind ON trialogue_trials
           (study_id, state, source, verdict, excluded, ended_at, started_at)""",
        "CREATE INDEX trialogue_trials_by_value ON trialogue_trials (study_id, state, excluded, value, number)",
    ),
    (  # leases that no clock jump ends; trials that plain Optuna made and that have not ended yet
        "ALTER TABLE trialogue_leases ADD COLUMN expires_mono DOUBLE PRECISION",
        """CREATE TABLE trialogue_foreign (study_id INTEGER NOT NULL, trial_id INTEGER NOT NULL,
           PRIMARY KEY (study_id, trial_id))""",
    ),
    (  # Optuna's tables are a mirror: what stood only there, names and reports, comes home
        "ALTER TABLE trialogue_studies ADD COLUMN name TEXT",
        """UPDATE trialogue_studies SET name = (SELECT study_name FROM studies
           WHERE studies.study_id = trialogue_studies.study_id)""",
        "UPDATE trialogue_studies SET name = 'deleted-' || study_id WHERE name IS NULL",
        "CREATE UNIQUE INDEX trialogue_studies_by_name ON trialogue_studies (name)",
        """UPDATE trialogue_studies SET next_number = COALESCE((SELECT MAX(trials.number) + 1 FROM trials
           WHERE trials.study_id = trialogue_studies.study_id AND trials.number >= next_number), next_number)""",
        """CREATE TABLE trialogue_reports (study_id INTEGER NOT NULL, number INTEGER NOT NULL, step INTEGER NOT NULL,
           value DOUBLE PRECISION, PRIMARY KEY (study_id, number, step))""",
        """INSERT INTO trialogue_reports (study_id, number, step, value)
           SELECT t.study_id, t.number, r.step, r.intermediate_value FROM trialogue_trials t
           JOIN trial_intermediate_values r ON r.trial_id = t.trial_id""",
        "ALTER TABLE trialogue_studies DROP COLUMN last_trial_id",
        "DROP TABLE trialogue_foreign",
    ),
    (  # what people write beside a study or a trial
        "ALTER TABLE trialogue_studies ADD COLUMN note TEXT",
        "ALTER TABLE trialogue_trials ADD COLUMN note TEXT",
    ),
)
"""Statements of migration i + 1, in portable SQL (SQLite and PostgreSQL)."""

UNFIT = (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError, OverflowError)
"""What may be raised where a row holds something else than this version writes."""


def stored_json(text: Any, kind: type = dict, *, strict: bool = True) -> Any:
    """Return what a column says as JSON.

    Raises one of ``UNFIT`` for what no JSON is, NaN and infinities included unless not ``strict``, and for another ``kind``.
    """
    value = json.loads(text, parse_constant=_refuse_constant if strict else None)
    if not isinstance(value, kind):
        raise TypeError(f"JSON of kind {kind.__name__} is needed, got {shown(value)}")
    return value


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def moment(value: Any) -> float | None:
    """Return seconds since the epoch; None for what is no time that a calendar has."""
    number = finite_number(value)
    return number if number is not None and 0 <= number < 1e11 else None
