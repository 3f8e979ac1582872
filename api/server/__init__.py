"""The application that puts the service together."""
