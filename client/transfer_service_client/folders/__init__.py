"""Many files and whole folders: sending, fetching, keeping alike."""
