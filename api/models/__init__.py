"""Language models at hand, at the command line."""
