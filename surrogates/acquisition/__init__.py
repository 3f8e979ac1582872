"""What a point is worth: expected improvement, Pareto fronts, knowledge gradient."""
