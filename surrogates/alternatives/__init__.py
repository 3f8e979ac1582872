"""Other surrogates by name, each an option; none is better than the default everywhere."""
