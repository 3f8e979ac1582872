"""How the next trials are chosen: surrogate, planner with referee, LLAMBO."""
