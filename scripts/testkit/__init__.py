"""What the testbed, the demo and the integration tests share."""
