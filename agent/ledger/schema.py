"""Tables of the ledger: Optuna's, as far as they are written here, and ours beside them; and the migrations of ours.

Optuna's tables are created by Optuna; they are declared here because one SQL transaction writes both (decision 0030).
Ours carry the prefix ``trialogue_`` and refer to a trial by (study, number). There are no foreign keys into Optuna's
tables, so that Optuna's own tools can delete a study; what they leave behind is swept when the next study is created.
Migrations are numbered and append-only: a released one is never edited.
"""

import sqlalchemy as sa
from optuna.study import StudyDirection
from optuna.trial import TrialState

OPTUNA_SCHEMA = "v3.2.0.a"
"""Optuna's schema revision (in ``alembic_version``) that the declarations below describe."""

optuna_metadata = sa.MetaData()
metadata = sa.MetaData()

_FINITE = sa.Enum("FINITE", "INF_POS", "INF_NEG", name="trialvaluetype")
_FINITE_OR_NAN = sa.Enum("FINITE", "INF_POS", "INF_NEG", "NAN", name="trialintermediatevaluetype")


def _optuna(name: str, *columns: sa.Column) -> sa.Table:
    return sa.Table(name, optuna_metadata, *columns)


optuna_studies = _optuna(
    "studies", sa.Column("study_id", sa.Integer, primary_key=True), sa.Column("study_name", sa.String(512))
)
optuna_directions = _optuna(
    "study_directions",
    sa.Column("study_direction_id", sa.Integer, primary_key=True),
    sa.Column("direction", sa.Enum(StudyDirection)),
    sa.Column("study_id", sa.Integer),
    sa.Column("objective", sa.Integer),
)
optuna_study_system_attrs = _optuna(
    "study_system_attributes",
    sa.Column("study_system_attribute_id", sa.Integer, primary_key=True),
    sa.Column("study_id", sa.Integer),
    sa.Column("key", sa.String(512)),
    sa.Column("value_json", sa.Text),
)
optuna_study_user_attrs = _optuna(
    "study_user_attributes",
    sa.Column("study_user_attribute_id", sa.Integer, primary_key=True),
    sa.Column("study_id", sa.Integer),
    sa.Column("key", sa.String(512)),
    sa.Column("value_json", sa.Text),
)
optuna_trials = _optuna(
    "trials",
    sa.Column("trial_id", sa.Integer, primary_key=True),
    sa.Column("number", sa.Integer),
    sa.Column("study_id", sa.Integer),
    sa.Column("state", sa.Enum(TrialState)),
    sa.Column("datetime_start", sa.DateTime),
    sa.Column("datetime_complete", sa.DateTime),
)
optuna_params = _optuna(
    "trial_params",
    sa.Column("param_id", sa.Integer, primary_key=True),
    sa.Column("trial_id", sa.Integer),
    sa.Column("param_name", sa.String(512)),
    sa.Column("param_value", sa.Float(53)),
    sa.Column("distribution_json", sa.Text),
)
optuna_values = _optuna(
    "trial_values",
    sa.Column("trial_value_id", sa.Integer, primary_key=True),
    sa.Column("trial_id", sa.Integer),
    sa.Column("objective", sa.Integer),
    sa.Column("value", sa.Float(53)),
    sa.Column("value_type", _FINITE),
)
optuna_reports = _optuna(
    "trial_intermediate_values",
    sa.Column("trial_intermediate_value_id", sa.Integer, primary_key=True),
    sa.Column("trial_id", sa.Integer),
    sa.Column("step", sa.Integer),
    sa.Column("intermediate_value", sa.Float(53)),
    sa.Column("intermediate_value_type", _FINITE_OR_NAN),
)
optuna_user_attrs = _optuna(
    "trial_user_attributes",
    sa.Column("trial_user_attribute_id", sa.Integer, primary_key=True),
    sa.Column("trial_id", sa.Integer),
    sa.Column("key", sa.String(512)),
    sa.Column("value_json", sa.Text),
)
optuna_system_attrs = _optuna(
    "trial_system_attributes",
    sa.Column("trial_system_attribute_id", sa.Integer, primary_key=True),
    sa.Column("trial_id", sa.Integer),
    sa.Column("key", sa.String(512)),
    sa.Column("value_json", sa.Text),
)

_heartbeats = _optuna(
    "trial_heartbeats", sa.Column("trial_heartbeat_id", sa.Integer), sa.Column("trial_id", sa.Integer)
)

OPTUNA_BY_TRIAL = (
    *(optuna_params, optuna_values, optuna_reports),
    *(optuna_user_attrs, optuna_system_attrs, _heartbeats),
)
OPTUNA_BY_STUDY = (
    *(optuna_trials, optuna_directions),
    *(optuna_study_system_attrs, optuna_study_user_attrs, optuna_studies),
)


def _ours(name: str, columns: dict[str, type[sa.types.TypeEngine]]) -> sa.Table:
    return sa.Table(f"trialogue_{name}", metadata, *(sa.Column(c, t) for c, t in columns.items()))


_I, _T, _F = sa.Integer, sa.Text, sa.Double

schema = _ours("schema", {"version": _I, "applied_at": _F, "last_study_id": _I})
studies = _ours(
    "studies",
    {
        **{"study_id": _I, "problem": _T, "seed": _I, "config": _T, "lineage": _T, "created_at": _F},
        **{
            "revision": _I,
            "asked": _I,
            "next_number": _I,
            "last_trial_id": _I,
            "queued": _I,
            "queue_end": _I,
        },
        **{"calls": _I, "tokens": _I, "price": _F},
    },
)
trials = _ours(
    "trials",
    {
        **{"study_id": _I, "number": _I, "trial_id": _I, "key": _T, "replicate": _I, "revision": _I},
        **{"state": _T, "params": _T, "source": _T, "verdict": _T, "decision": _T},
        **{"value": _F, "feasible": _I, "outcome": _T, "excluded": _T, "started_at": _F, "ended_at": _F},
    },
)
leases = _ours(
    "leases",
    {
        **{"study_id": _I, "number": _I, "worker": _T, "host": _T, "boot_id": _T, "pid": _I},
        **{"process_started": _T, "expires_at": _F, "expires_mono": _F},
    },
)
queue = _ours("queue", {"study_id": _I, "position": _I, "params": _T, "source": _T, "reason": _T})
foreign = _ours("foreign", {"study_id": _I, "trial_id": _I})
events = _ours("events", {"study_id": _I, "number": _I, "at": _F, "kind": _T, "trial_number": _I, "data": _T})
calls = _ours(
    "calls",
    {
        **{
            "study_id": _I,
            "number": _I,
            "at": _F,
            "model": _T,
            "purpose": _T,
            "prompt_hash": _T,
            "outcome": _T,
        },
        **{"prompt_tokens": _I, "completion_tokens": _I, "latency_s": _F, "price": _F, "detail": _T},
    },
)
messages = _ours("messages", {"study_id": _I, "number": _I, "at": _F, "role": _T, "data": _T})
api_keys = _ours(
    "api_keys",
    {
        **{"name": _T, "sha256": _T, "scope": _T, "studies": _T, "made_at": _F},
        **{"requests_per_minute": _I, "asks_per_day": _I, "tokens_per_day": _I},
    },
)
api_use = _ours("api_use", {"name": _T, "day": _I, "asks": _I, "tokens": _I})
api_answers = _ours("api_answers", {"key": _T, "at": _F, "status": _I, "body": _T})

OWN_BY_STUDY = (studies, trials, leases, queue, foreign, events, calls, messages)

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
)
"""Statements of migration i + 1, in portable SQL (SQLite and PostgreSQL)."""
