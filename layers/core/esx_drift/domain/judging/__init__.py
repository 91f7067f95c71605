"""What a look, or a failure to look, shows to hold; and the ledger of findings."""
