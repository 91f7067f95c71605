"""What each scenario must come to, by docs/findings.md and the rules of changes: not what the product says.

Hosts are names, logs are clusters' names or `@vcenter`.
"""

from copy import replace
from dataclasses import dataclass

from tests.simulator.catalogue import ORPHANED_VIBS

A, B, C, V = "prod-a", "prod-b", "prod-c", "@vcenter"
A_HOSTS, B_HOSTS = ("esx01", "esx02", "esx03", "esx04"), ("esx05", "esx06", "esx07")
SMNTEMP, MFT = ORPHANED_VIBS[:2]
NEWER_MFT = "mft(4.26.1.101-0)"


@dataclass(frozen=True, slots=True)
class Opened:
    """A finding that opens before the healing; `subject` only where it is no host."""

    log: str
    kind: str
    severity: str
    hosts: tuple[str, ...] = ()
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Changed:
    """A change that is told before the healing."""

    log: str
    element: str
    kind: str
    key: str
    came_from: str | None
    went_to: str | None
    hosts: tuple[str, ...]
    severity: str


@dataclass(frozen=True, slots=True)
class Story:
    """All that a scenario comes to.

    `raised` are findings that opened milder; `stays` are the kinds still open after it was healed;
    `standalone` counts hosts of no cluster; `notices` are in the vCenter's own log, and nobody is told;
    `says` are words that a message has to have.
    """

    findings: tuple[Opened, ...] = ()
    changes: tuple[Changed, ...] = ()
    stays: tuple[str, ...] = ()
    raised: tuple[Opened, ...] = ()
    standalone: int = 0
    notices: tuple[str, ...] = ()
    says: tuple[str, ...] = ()


def _drift(*hosts: str, severity: str = "warning", uneven_as: str = "warning") -> tuple[Opened, ...]:
    """The hosts differ from what was accepted, and unless they are all of prod-a, from the others.

    That nobody looked into it is as bad as the worst change: `severity`.
    """
    uneven = () if hosts == A_HOSTS else (Opened(A, "image-not-uniform", uneven_as, hosts),)
    return (Opened(A, "drift-unreviewed", severity, hosts), *uneven)


def _rollout(host: str) -> tuple[Opened, ...]:
    """The first host of an upgrade: that the others differ is no alarm while it moves."""
    return _drift(host, uneven_as="info")


def _changed(
    element: str,
    kind: str,
    key: str,
    versions: tuple[str | None, str | None],
    hosts: tuple[str, ...],
    severity: str = "warning",
    log: str = A,
) -> Changed:
    return Changed(log, element, kind, key, *versions, hosts, severity)


def _upgraded(*hosts: str) -> tuple[Changed, ...]:
    """From 8.0 U3d to 8.0 U3e: the base image, and what it brings."""
    moved = {
        ("base_image", "base_image"): _U3D_TO_E,
        ("component", "Broadcom-ELX-lpfc"): (
            "14.4.0.39-35vmw.803.0.0.24022510",
            "14.4.0.40-35vmw.803.0.70.24674464",
        ),
        ("component", "VMware-VM-Tools"): ("12.4.5.23787635-24585383", "12.5.1.24649672-24674464"),
    }
    return tuple(
        _changed(element, "upgraded", key, versions, hosts) for (element, key), versions in moved.items()
    )


def _one(log: str, kind: str, severity: str = "warning", *hosts: str) -> Story:
    return Story((Opened(log, kind, severity, hosts),))


def _certificate(*says: str) -> Story:
    """Nothing is sent to whoever shows it; what is wrong with it is told."""
    return Story((Opened(V, "vcenter-unreachable", "warning"),), says=("certificate", *says))


def _says(story: Story, *words: str) -> Story:
    return replace(story, says=words)


def _of_both(kind: str, severity: str) -> Story:
    return Story((Opened(A, kind, severity), Opened(B, kind, severity)))


_U3D_TO_E = ("8.0.3-0.60.24585383", "8.0.3-0.70.24674464")
_I40EN = ("2.7.2.0-1OEM.800.1.0.20613240", "2.9.2.0-1OEM.800.1.0.20613240")
_TO_OLD_I40EN = (_I40EN[0], "1.8.6.0-1OEM.700.1.0.15843807")
_NOT_KNOWN_AGAIN = Story(
    (Opened(A, "image-not-uniform", "warning", ("esx09",)),),
    (
        _changed("host", "removed", "host-19", (None, None), ("esx04",), "info"),
        _changed("host", "added", "host-23", (None, None), ("esx09",)),
    ),
    says=("Never compared before, unlike 3 other hosts: Intel-i40en 1.8.6.0",),
)
_ADD_ON = "HPE-Custom-AddOn 803.0.0.11.7.0-23"
_INCONSISTENT = Story(
    (Opened(A, "document-inconsistent", "warning"), Opened(A, "host-not-covered", "warning", ("esx01",)))
)

DRIFT = {
    "healthy": Story(),
    "rolling-upgrade": Story(_rollout("esx01"), _upgraded(*A_HOSTS), ("drift-unreviewed",)),
    "upgrade-stalled": Story(_rollout("esx01"), _upgraded("esx01", "esx02"), ("drift-unreviewed",)),
    "majority-flip": Story(
        (
            Opened(A, "image-not-uniform", "warning", ("esx03", "esx04")),
            Opened(A, "drift-unreviewed", "warning", ("esx03",)),
        ),
        _upgraded("esx03"),
        ("image-not-uniform",),
    ),
    "image-not-uniform": Story(_rollout("esx01"), _upgraded("esx01")),
    "drift-unreviewed": Story(
        _drift(*A_HOSTS),
        (
            _changed(
                "component",
                "upgraded",
                "MRVL-E4-CNA-Driver-Bundle",
                ("5.0.305.0-1OEM.800.1.0.20613240", "5.0.402.0-1OEM.800.1.0.20613240"),
                A_HOSTS,
            ),
        ),
    ),
    # A witness never counts against uniformity; its software is compared all the same.
    "witness": Story(
        (Opened(A, "drift-unreviewed", "warning", ("esx04",)),),
        (_changed("base_image", "upgraded", "base_image", _U3D_TO_E, ("esx04",)),),
    ),
    "cluster-renamed": Story(notices=("cluster domain-c9 is now called prod-a-old, before prod-a",)),
}

ELEMENTS = {
    "base-image": Story(
        _rollout("esx01"), (_changed("base_image", "upgraded", "base_image", _U3D_TO_E, ("esx01",)),)
    ),
    "base-image-downgraded": Story(
        _drift("esx01", severity="critical"),
        (
            _changed(
                "base_image",
                "downgraded",
                "base_image",
                ("8.0.3-0.60.24585383", "8.0.3-0.0.24022510"),
                ("esx01",),
                "critical",
            ),
        ),
    ),
    "add-on": Story(
        _rollout("esx02"),
        (
            _changed(
                "add_on",
                "upgraded",
                "add_on",
                (_ADD_ON, "HPE-Custom-AddOn 803.0.0.11.8.0-6"),
                ("esx02",),
            ),
        ),
    ),
    "add-on-removed": Story(
        _drift("esx02"), (_changed("add_on", "removed", "add_on", (_ADD_ON, None), ("esx02",)),)
    ),
    "component": Story(
        _drift("esx03"), (_changed("component", "upgraded", "Intel-i40en", _I40EN, ("esx03",)),)
    ),
    "component-removed": Story(
        _drift("esx03"),
        (
            _changed(
                "component", "removed", "Intel-igbn", ("1.11.2.0-3vmw.803.0.0.24022510", None), ("esx03",)
            ),
        ),
    ),
    "solution": Story(
        _drift(*A_HOSTS),
        (
            _changed(
                "solution",
                "upgraded",
                "com.vmware.vsphere-wcp",
                ("0.1.11-24022510", "0.1.12-24280767"),
                A_HOSTS,
                "info",
            ),
        ),
    ),
    "hardware-support-package": Story(
        _drift(*A_HOSTS),
        (
            _changed(
                "hardware_support_package",
                "upgraded",
                "com.hpe.oneview4vcenter",
                (
                    "Service Pack for ProLiant Gen10 2024.09.00.00",
                    "Service Pack for ProLiant Gen10 2024.11.00.00",
                ),
                A_HOSTS,
            ),
        ),
    ),
    "removed-component": Story(
        _drift(*A_HOSTS),
        (_changed("removed_component", "added", "HPE-hpv2-hpsa-plugin", (None, ""), A_HOSTS),),
    ),
    "alternative-image": Story(
        _drift(*A_HOSTS),
        (_changed("alternative_image", "added", "alternative-r760", (None, "9.0.2.0.25148076"), A_HOSTS),),
    ),
    "host": Story((), (_changed("host", "added", "host-23", (None, None), ("esx08",), "info"),)),
    "host-left": Story((), (_changed("host", "removed", "host-19", (None, None), ("esx04",), "info"),)),
    "host-re-added": Story(
        _drift("esx04"),
        (
            _changed("host", "changed", "host-23", ("host-19", "host-23"), ("esx04",)),
            _changed("component", "upgraded", "Intel-i40en", _I40EN, ("esx04",)),
        ),
    ),
    "host-renamed": Story(
        _drift("esx09", severity="critical"),
        (
            _changed("host", "changed", "host-23", ("host-19", "host-23"), ("esx09",)),
            _changed("component", "downgraded", "Intel-i40en", _TO_OLD_I40EN, ("esx09",), "critical"),
        ),
    ),
    "host-replaced": Story(
        (Opened(A, "image-not-uniform", "warning", ("esx04",)),),
        (
            _changed("host", "removed", "host-19", (None, None), ("esx04",), "info"),
            _changed("host", "added", "host-23", (None, None), ("esx04",)),
        ),
        says=("another machine under a known name", "unlike 3 other hosts: no Intel-i40en"),
    ),
    **dict.fromkeys(("uuids-refused", "uuids-shared"), _NOT_KNOWN_AGAIN),
    # It brings HPE's image among Dell's.
    "host-moved": Story(
        (Opened(B, "image-not-uniform", "warning", ("esx04",)),),
        (
            _changed("host", "removed", "host-19", (None, None), ("esx04",), "info"),
            _changed("host", "added", "host-19", (None, None), ("esx04",), "info", B),
        ),
    ),
    "host-moved-changed": Story(
        (
            Opened(B, "image-not-uniform", "warning", ("esx04",)),
            Opened(B, "drift-unreviewed", "critical", ("esx04",)),
        ),
        (
            _changed("host", "removed", "host-19", (None, None), ("esx04",), "info"),
            _changed("host", "added", "host-19", (None, None), ("esx04",), "info", B),
            _changed(
                "component",
                "downgraded",
                "Intel-i40en",
                _TO_OLD_I40EN,
                ("esx04",),
                "critical",
                B,
            ),
        ),
        says=("moved here from prod-a",),
    ),
    "host-unlike-others": Story(
        (Opened(A, "image-not-uniform", "warning", ("esx08",)),),
        (_changed("host", "added", "host-23", (None, None), ("esx08",)),),
        says=("Never compared before, unlike 4 other hosts: no Intel-i40en",),
    ),
    "host-read-at-last": Story(
        (
            Opened(A, "host-failed", "warning", ("esx08",)),
            Opened(A, "image-not-uniform", "warning", ("esx08",)),
        ),
        (
            _changed("host", "added", "host-23", (None, None), ("esx08",), "info"),
            _changed("host", "added", "host-23", (None, None), ("esx08",)),
        ),
        says=(
            "checked for the first time, unlike the others",
            "Unlike 4 other hosts: no Intel-i40en",
        ),
    ),
    "orphaned-vib": Story(
        (Opened(A, "orphaned-vib", "critical", ("esx02", "esx03"), SMNTEMP),),
        (_changed("orphaned_vib", "added", SMNTEMP, (None, None), ("esx02", "esx03"), "critical"),),
    ),
    "orphaned-vib-upgraded": Story(
        (
            Opened(A, "orphaned-vib", "warning", ("esx01",), MFT),
            Opened(A, "orphaned-vib", "critical", ("esx01",), NEWER_MFT),
        ),
        (
            _changed("orphaned_vib", "removed", MFT, (None, None), ("esx01",), "info"),
            _changed("orphaned_vib", "added", NEWER_MFT, (None, None), ("esx01",), "critical"),
        ),
        ("orphaned-vib",),
    ),
}

EXTRACTION = {
    **dict.fromkeys(
        ("document-invalid", "document-legacy", "document-broken", "document-duplicate", "document-huge"),
        _one(A, "document-invalid"),
    ),
    "document-truncated": _one(A, "vcenter-unreachable"),
    "document-inconsistent": _INCONSISTENT,
    "document-two-images": _INCONSISTENT,
    "document-from-the-future": _one(A, "document-inconsistent"),
    "extraction-unavailable": _one(A, "extraction-unavailable", "warning", *A_HOSTS),
    "extraction-failed": _one(A, "extraction-failed", "warning", *A_HOSTS),
    "extraction-lost": _one(A, "extraction-failed"),
    "extraction-timeout": _of_both("extraction-timeout", "warning"),
    "extraction-stale": _one(A, "extraction-stale"),
    "never-extracted": Story(),
    # prod-b is managed by baselines: that it can't be extracted is a state, and no alarm.
    "eligibility-failed": _one(B, "eligibility-failed", "info"),
    "eligibility-reported": _one(B, "eligibility-failed", "info", *B_HOSTS),
    "host-failed": _one(A, "host-failed", "warning", "esx02"),
    "host-disconnected": _one(A, "host-failed", "warning", "esx02"),
    "host-not-covered": _one(A, "host-not-covered", "warning", "esx03"),
    "host-hidden": _one(A, "host-hidden", "critical", "esx03"),
    "host-unsupported": _one(B, "host-unsupported", "info", "esx07"),
    "host-error": _one(A, "host-error", "warning", "esx04"),
    # It costs neither the report nor what the notification says.
    "notification-odd": _says(_one(A, "host-error", "warning", "esx04"), "Host 'esx04': "),
}

FLEET = {
    # What the other's report shows is a change like any other.
    "cluster-busy": Story(
        _drift("esx03"), (_changed("component", "upgraded", "Intel-i40en", _I40EN, ("esx03",)),)
    ),
    "cluster-stays-busy": _one(A, "extraction-timeout"),
    "cluster-empty": Story(
        tuple(Opened(cluster, "extraction-unavailable", "info") for cluster in (C, "prod-d", "prod-e")),
        stays=("extraction-unavailable",) * 3,
    ),
    "hosts-too-old": _one(B, "host-unsupported", "info", *B_HOSTS),
    "many-clusters": Story(),
    "standalone-hosts": Story(standalone=2),
    "vcenter-upgraded": Story(
        notices=("vcenter-upgraded is now vCenter 9.0.2 build 25148086, before vCenter 8.0.3 build 24674346",)
    ),
    "cluster-added": Story(notices=("cluster prod-c (domain-c1016) is new",)),
    "unseen-for-long": Story(
        (
            Opened(A, "host-failed", "warning", ("esx02",)),
            Opened(B, "extraction-failed", "warning", B_HOSTS),
        ),
        raised=(
            Opened(A, "host-failed", "critical", ("esx02",)),
            Opened(B, "extraction-failed", "critical", B_HOSTS),
        ),
    ),
}

VCENTER = {
    "vcenter-unreachable": _one(V, "vcenter-unreachable"),
    "vcenter-reset": _one(V, "vcenter-unreachable"),
    "vcenter-unavailable": _one(V, "vcenter-unavailable"),
    "vcenter-error": _of_both("vcenter-error", "warning"),
    # It does answer, though nothing that the API knows.
    "vcenter-redirect": _one(V, "vcenter-error"),
    "vcenter-behind-a-page": _says(
        _one(V, "vcenter-error"), "something else answers", "403 Forbidden", "nginx"
    ),
    "vcenter-another-server": _says(
        _one(V, "vcenter-error"), "something else answers", "404 Not Found", "Apache"
    ),
    "vcenter-behind-a-balancer": _says(
        _one(V, "vcenter-unavailable"), "services don't answer (504)", "504 Gateway Time-out"
    ),
    "report-behind-a-page": _says(_of_both("vcenter-error", "warning"), "Please sign in"),
    "vcenter-sessions-used-up": _says(_one(V, "vcenter-unavailable"), "Monitor > Sessions"),
    "vcenter-overloaded": _says(
        _one(V, "vcenter-unavailable"), "upstream connect error reset reason: overflow"
    ),
    "lifecycle-stopped": _says(_of_both("vcenter-unavailable", "warning"), "a service is not there (404)"),
    "secrets-echoed": _says(_of_both("vcenter-error", "warning"), "Can't serve: ***"),
    "vcenter-authorization": _of_both("vcenter-authorization", "critical"),
    "listing-lost": _one(V, "vcenter-authorization", "critical"),
    "certificate-expired": _certificate("expired"),
    "certificate-of-another-name": _certificate("mismatch"),
    "certificate-authority-unfit": _certificate("Basic Constraints"),
    "clock-skewed": _one(V, "clock-skewed"),
    "vcenter-replaced": _one(V, "vcenter-replaced", "critical"),
    "api-unsupported": _one(V, "api-unsupported"),
    "cluster-missing": Story((Opened(V, "cluster-missing", "warning", (), "domain-c1008"),)),
}

EXPECTED: dict[str, Story] = {**DRIFT, **ELEMENTS, **EXTRACTION, **FLEET, **VCENTER}
