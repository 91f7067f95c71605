"""One module for each external system: it translates calls, answers and errors, and decides nothing."""
