"""Tests, and what they run against."""
