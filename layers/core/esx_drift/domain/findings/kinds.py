"""Which kinds of findings a look puts to the test: only these may be resolved by it."""

LOGIN_KINDS = frozenset(
    {"vcenter-unreachable", "vcenter-unavailable", "vcenter-error", "vcenter-authentication"}
)

VCENTER_KINDS = LOGIN_KINDS | {
    "vcenter-authorization",
    "vcenter-replaced",
    "api-unsupported",
    "cluster-missing",
}
"""What is disproved by a vCenter that answers every call."""

LISTING_KINDS = VCENTER_KINDS | {"check-overdue", "cluster-renamed"}
"""What a run of the dispatcher tests, in the vCenter's own log."""

EXTRACTION_KINDS = frozenset(
    {
        "extraction-unavailable",
        "extraction-failed",
        "extraction-timeout",
        "extraction-stale",
        "eligibility-failed",
    }
)
"""What only a new report disproves."""

REPORT_KINDS = frozenset(
    {
        "document-invalid",
        "document-inconsistent",
        "host-failed",
        "host-not-covered",
        "host-unsupported",
        "host-error",
        "image-not-uniform",
        "drift-unreviewed",
        "orphaned-vib",
    }
)

LOOK_KINDS = VCENTER_KINDS | EXTRACTION_KINDS | REPORT_KINDS
"""What a look at a cluster tests, in the cluster's log."""
