"""What is looked at: figures, the HTML report, tables in a terminal."""
