"""``python -m trialogue.api``: the command line without its console script."""

from .cli.app import main

main()
