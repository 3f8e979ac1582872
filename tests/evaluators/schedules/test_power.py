"""The Power schedule: its three parts, its numbers, and PyTorch's own scheduler around it."""

import pytest
import torch

import trialogue as tl
from trialogue.serving.errors import InvalidInput

SCHEDULE = tl.PowerSchedule(batch_sequences=64, tokens=1e10)


def test_the_middle_is_the_power_law_and_no_more_than_the_largest_rate() -> None:
    assert SCHEDULE.rate(5e9) == pytest.approx(64 * 4 * 5e9**-0.51)
    assert tl.PowerSchedule(batch_sequences=4096, tokens=1e10).rate(2e8) == 0.02


def test_warm_up_and_decay_are_linear_and_meet_the_middle() -> None:
    assert SCHEDULE.rate(0.5e8) == pytest.approx(SCHEDULE.rate(1e8) / 2)
    assert SCHEDULE.rate(9.5e9) == pytest.approx(SCHEDULE.rate(9e9) / 2)
    assert SCHEDULE.rate(1e10) == SCHEDULE.rate(2e10) == 0.0


def test_the_middle_does_not_know_how_long_is_trained() -> None:
    longer = tl.PowerSchedule(batch_sequences=64, tokens=1e11, warmup=0.001)
    assert longer.rate(5e9) == SCHEDULE.rate(5e9)


def test_pytorch_steps_it() -> None:
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    schedule = tl.PowerSchedule(batch_sequences=1, tokens=4096 * 10, warmup=0.5, decay=0.2)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, schedule)
    rates = []
    for _ in range(10):
        rates.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    assert rates == pytest.approx([schedule(step) for step in range(10)])
    assert rates[0] == pytest.approx(0.02 / 5)


@pytest.mark.parametrize("wrong", [{"tokens": 0}, {"warmup": 0.8, "decay": 0.4}, {"a": -1.0}])
def test_what_makes_no_schedule_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidInput, match=next(iter(wrong))):
        tl.PowerSchedule(**{"batch_sequences": 1, "tokens": 1e6} | wrong)
