"""Energy counters of this machine's devices: NVML where there are NVIDIA GPUs, else the CPU packages' RAPL counters.

Run by vLLM's interpreter too. A machine that tells neither gives None: nothing is estimated.
"""

import glob

POWERCAP = "/sys/class/powercap/intel-rapl:[0-9]*"  # packages only: their parts have two numbers


def joules() -> list[tuple[float, float | None]]:
    """Return (joules since some moment, its range or None) of each device; an empty list where nothing is told."""
    return _gpus() or _packages()


def between(
    before: list[tuple[float, float | None]], after: list[tuple[float, float | None]]
) -> float | None:
    """Return the joules between two readings, None where there are none; a counter that ran over is corrected."""
    if not before or len(before) != len(after):
        return None
    total = 0.0
    for (first, span), (last, _) in zip(before, after, strict=True):
        total += last - first if last >= first or span is None else last + span - first
    return total


def _gpus():
    try:
        import pynvml
    except ImportError:
        try:
            from vllm.third_party import pynvml
        except ImportError:
            return []
    try:
        pynvml.nvmlInit()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
        return [(pynvml.nvmlDeviceGetTotalEnergyConsumption(h) / 1000, None) for h in handles]  # mJ
    except pynvml.NVMLError:
        return []


def _packages():
    found = []
    for folder in sorted(glob.glob(POWERCAP)):
        if folder.count(":") > 1:
            continue
        try:
            with open(f"{folder}/energy_uj") as energy, open(f"{folder}/max_energy_range_uj") as span:
                found.append((int(energy.read()) / 1e6, int(span.read()) / 1e6))
        except OSError:  # readable by root only on most systems
            return []
    return found
