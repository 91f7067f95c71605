"""The sealer's job: signed digests of all that is kept in the trail."""
