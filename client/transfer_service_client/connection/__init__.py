"""What leads to the service: requests, who asks, and patience with networks."""
