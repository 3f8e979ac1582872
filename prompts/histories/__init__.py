"""Which trials of a long history a model is shown: methods to choose from, by name."""
