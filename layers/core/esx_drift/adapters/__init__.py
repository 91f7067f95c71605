"""One module for each system that is spoken to. They translate and decide nothing."""
