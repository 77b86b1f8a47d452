"""What brings people home: files from other services and folders, verified and resumable."""
