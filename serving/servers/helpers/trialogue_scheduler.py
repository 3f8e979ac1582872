"""A vLLM scheduler whose limits can be lowered while the server runs: ``--scheduler-cls trialogue_scheduler.LiveScheduler``.

Between steps it re-reads the JSON file that TRIALOGUE_LIVE_KNOBS names. Only lowering below the values at start is
safe (buffers were sized then), so every value is clipped to them; an absent key means the value at start. Answers by
writing ``FILE.seen`` with the revision it applied. Asynchronous scheduling is off while this class is used.
"""

import json
import os
import time

from vllm.v1.core.sched.scheduler import Scheduler

POLL_S = 0.05


class LiveScheduler(Scheduler):
    """vLLM's scheduler, with its admission and token limits read from a file."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._file = os.environ.get("TRIALOGUE_LIVE_KNOBS", "")
        self._seen, self._next = 0, 0.0
        self._at_start = {
            "max_num_seqs": self.max_num_running_reqs,
            "max_num_batched_tokens": self.max_num_scheduled_tokens,
            "long_prefill_token_threshold": self.scheduler_config.long_prefill_token_threshold,
        }

    def schedule(self, *args, **kwargs):
        """Apply what changed in the file, then schedule as usual."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + POLL_S
            self._reread()
        return super().schedule(*args, **kwargs)

    def _reread(self):
        try:
            modified = os.stat(self._file).st_mtime_ns
            if modified == self._seen:
                return
            with open(self._file) as file:
                wanted = json.load(file)
        except (OSError, ValueError):  # absent or half written: try again at the next step
            return
        self._seen = modified
        start = self._at_start
        self.max_num_active_reqs = min(wanted.get("max_num_seqs", start["max_num_seqs"]), start["max_num_seqs"])
        tokens = wanted.get("max_num_batched_tokens", start["max_num_batched_tokens"])
        self.max_num_scheduled_tokens = min(tokens, start["max_num_batched_tokens"])
        self.scheduler_config.long_prefill_token_threshold = wanted.get(
            "long_prefill_token_threshold", start["long_prefill_token_threshold"]
        )
        with open(self._file + ".seen", "w") as file:
            json.dump(wanted.get("revision"), file)
