"""The check of a proposal: plausibility, trust, novelty, and the verdict."""
