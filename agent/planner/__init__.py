"""Who proposes: the dialogue with a model, the embedded planner, laws and rules known beforehand."""
