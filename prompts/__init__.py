"""The words: templates, how a history becomes text, how an answer is parsed, what is known of parameters by name."""
