"""What a look, or a failure to look, shows to hold; and the findings that come of it."""
