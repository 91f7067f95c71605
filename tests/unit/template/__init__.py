"""What the template promises, read from what CloudFormation gets to see of it."""
