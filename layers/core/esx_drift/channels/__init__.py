"""Where people are told: one module a channel, with all that is its own."""
