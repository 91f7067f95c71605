"""The product in this process; the folders mirror its packages."""
