"""``python -m trialogue.api``: the command line without its console script."""

from .cli import main

main()
