"""Software images: a vCenter's document, read into a snapshot that can be compared."""
