"""The doctor's advice in the words of `make try`: here is no secret to mend, but what was typed."""

import re

from esx_drift.doctoring.examination import StepResult

HERE = (
    (
        r"Put the certificate of the CA that signed it into the secret's ca_bundle",
        "Give the CA's certificate: CA=FILE",
    ),
    (r"set the secret's tls_strict to false", "try with STRICT=no, which still verifies"),
    (
        r"Put a name that stands in the certificate into the secret's host",
        "Give VCENTER by a name that stands in it",
    ),
    (r"Correct the host in the secret", "Correct VCENTER, or PROXY"),
    (r"Correct the port in the secret", "Correct the port in VCENTER"),
    (
        r"from the functions \(their security group and routes in a VPC\)",
        "from this machine, or by PROXY=URL,",
    ),
    (
        r"Put the right password into .*",
        "Try again with the right password: one login was refused, five lock the account.",
    ),
    (r"Mend the secret in Secrets Manager", "Correct what was given"),
    (
        r"Correct the vCenter's cluster patterns in the fleet file, then: esx-drift fleet push FILE",
        "Correct CLUSTER: a cluster's name or id.",
    ),
    (r"the fleet file leaves each of them out", "CLUSTER names none of them"),
)
"""By patterns of what the doctor says."""

NO_CA = "Give the CA's certificate: CA=FILE"
ANOTHER_CA = "None of the certificates in the CA file signed it: give the right one: CA=FILE"


def here(line: StepResult, *, has_ca: bool = False) -> StepResult:
    """The line, with its fix as a person can follow it here. `has_ca`: one was given, so it is another."""
    said, fix = line["said"], line["fix"]
    for pattern, words in HERE:
        said, fix = re.sub(pattern, words, said), re.sub(pattern, words, fix)
    return {**line, "said": said, "fix": fix.replace(NO_CA, ANOTHER_CA) if has_ca else fix}
