"""A study on another machine, over HTTP."""
