"""What measurements allow one to say: which of two is better, how sure a percentile is, how much of a best is luck."""
