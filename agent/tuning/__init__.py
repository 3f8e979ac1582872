"""The tuner of servers: plan, race, limits, verification, verdict."""
