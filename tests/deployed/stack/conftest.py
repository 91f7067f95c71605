from tests.lab.local_aws.fixtures import local_aws, new_stack, packaged, trusted_authority

__all__ = ["local_aws", "new_stack", "packaged", "trusted_authority"]
