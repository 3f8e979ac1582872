"""Search spaces: parameters, conditions, relations, and how a configuration becomes numbers, JSON or text."""
