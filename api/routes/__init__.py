"""The routes of the HTTP service, a module per kind of thing."""
