"""What proves that the trail is as it was written."""
