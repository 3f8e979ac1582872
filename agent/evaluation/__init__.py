"""One evaluation of a trial, wherever it runs: what it is made on, its job, and what it reports to."""
