"""A file from the service, gone on with where it stopped, verified before it gets its name."""
