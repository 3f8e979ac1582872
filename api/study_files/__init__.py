"""Study files: what a TOML file or a request says, read into a study and its evaluator."""
