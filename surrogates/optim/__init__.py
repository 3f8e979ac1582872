"""Where to look: the initial design, the search of the acquisition function, trust regions."""
