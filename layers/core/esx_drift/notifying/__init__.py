"""The notifier's job."""
