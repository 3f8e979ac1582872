"""Chat sessions about a study, with a model or without."""
