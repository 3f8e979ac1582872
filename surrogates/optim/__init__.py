"""What a point is worth, and where to look: acquisition functions and their search, the initial design, trust regions."""
