"""How certain it is that what looks best is better: verifications, their verdicts, and what is said without one."""
