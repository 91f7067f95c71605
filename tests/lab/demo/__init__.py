"""`make demo`: the deployed product, a week of a data centre in a minute, and every message as it arrives."""
