"""A file to the service, gone on with where it stopped."""
