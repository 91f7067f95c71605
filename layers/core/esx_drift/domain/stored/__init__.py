"""What is stored and published: its types, keys and ids, and how a record is made."""
