"""Load and soak: `make soak` plays a quarter of a year, and then one large schedule on the local AWS."""
