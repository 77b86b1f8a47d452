"""Administration by HTTP: what only administrators may see and change."""
