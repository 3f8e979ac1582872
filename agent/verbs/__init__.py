"""What a person or another agent can do with a study, one function each; every door calls them."""
