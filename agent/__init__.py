"""Who decides: Study, Trial, ledger, planner, referee, chat session, budgets. Knows no HTTP server."""
