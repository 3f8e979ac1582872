"""A server under load as the thing that is tuned: settings, attempts, limits, what is measured."""
