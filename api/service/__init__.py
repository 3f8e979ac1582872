"""What the HTTP service stands on: guard, keys, open studies, events, telemetry."""
