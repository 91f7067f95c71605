"""What the demo, the try and the deployed tests are made of; no test of the product."""
