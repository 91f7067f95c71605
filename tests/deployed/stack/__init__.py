"""The template deployed, and a clean Lambda runtime."""
