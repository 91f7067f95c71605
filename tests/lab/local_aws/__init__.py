"""A local AWS on loopback, our template deployed to it, and its handlers run as Lambda runs them."""
