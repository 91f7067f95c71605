"""The product as it is deployed: to a local AWS, with every scenario of the simulator."""
