"""The study: create or load it, ask, tell, run, fork, transfer."""
