"""What is looked at: figures, and the HTML report."""
