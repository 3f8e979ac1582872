"""Model calls of a study that got no answer, in words: without them a run that falls back each time looks like any other."""

from ..ledger.ledger import Ledger, StoredStudy

ANSWERED = ("ok", "invalid", "abstained")
"""Outcomes of calls that a model answered, well or badly."""


def lost_calls(ledger: Ledger, stored: StoredStudy) -> list[str]:
    """Return one line on how many calls failed, and why the last one did; [] where none did."""
    calls = ledger.calls(stored.study_id)
    lost = [call for call in calls if call["outcome"] not in ANSWERED]
    if not lost:
        return []
    why = str(lost[-1]["detail"] or lost[-1]["outcome"])
    return [f"{'model calls':<24} {len(lost):>3} of {len(calls)} failed, the last: {why}"]
