"""Options of the engine: methods that a study may choose and that are no default."""
