"""SGLang's server: where it is installed, and load on it; tried against a scripted server only."""
