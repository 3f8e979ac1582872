"""What is installed, what answers, and what a model can do."""
