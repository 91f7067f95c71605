"""Stories in which the report of a cluster is not what it should be."""

from math import inf

from tests.simulator.extraction import Pace
from tests.simulator.fault_kinds import document, duplicate_keys, huge_body, invalid_json, truncated_body
from tests.simulator.faults import Fault
from tests.simulator.model import VCenter
from tests.simulator.scenario import PROD_A, PROD_B, Change, Scenario

_REPORT = "GET *domain-c9/installed-images"


def _spoilt(fault: Fault) -> Change:
    return lambda vcenter: vcenter.faults.inject(_REPORT, fault)


def _stuck(vcenter: VCenter) -> None:
    vcenter.extractions.pace = Pace(None, inf)


def _notify_oddly(vcenter: VCenter) -> None:
    vcenter.hosts.notify("esx04")
    vcenter.faults.inject(_REPORT, document("retriable_without_type"))


def _scenario(name: str, description: str, shows: str, change: Change) -> Scenario:
    return Scenario(name, description, (shows,), (change,), at_once=True)


EXTRACTION = (
    _scenario(
        "document-invalid",
        "The report lacks a required field.",
        "document-invalid",
        _spoilt(document("without_required")),
    ),
    _scenario(
        "document-legacy",
        "The report has /rest's maps.",
        "document-invalid",
        _spoilt(document("legacy_maps")),
    ),
    _scenario("document-broken", "The report is not JSON.", "document-invalid", _spoilt(invalid_json())),
    _scenario(
        "document-duplicate", "The report has a key twice.", "document-invalid", _spoilt(duplicate_keys())
    ),
    _scenario("document-huge", "The report is far too large.", "document-invalid", _spoilt(huge_body())),
    _scenario(
        "document-truncated",
        "The report ends in its middle.",
        "vcenter-unreachable",
        _spoilt(truncated_body()),
    ),
    _scenario(
        "document-inconsistent",
        "A successful host is in no image.",
        "document-inconsistent",
        _spoilt(document("host_in_no_image")),
    ),
    _scenario(
        "document-two-images",
        "A host is in two images.",
        "document-inconsistent",
        _spoilt(document("host_in_two_images")),
    ),
    _scenario(
        "document-from-the-future",
        "The report was completed in the future.",
        "document-inconsistent",
        _spoilt(document("from_the_future")),
    ),
    _scenario(
        "extraction-unavailable",
        "The task fails before anything ran: status UNAVAILABLE.",
        "extraction-unavailable",
        lambda vcenter: vcenter.inventory.set_outcome(PROD_A, "UNAVAILABLE", "FAILED"),
    ),
    _scenario(
        "extraction-failed",
        "The extraction fails and its report says so.",
        "extraction-failed",
        lambda vcenter: vcenter.inventory.set_outcome(PROD_A, "EXTRACT_INSTALLED_IMAGE_FAILURE", "FAILED"),
    ),
    _scenario(
        "extraction-lost",
        "The task fails and the last good report is still served.",
        "extraction-failed",
        lambda vcenter: vcenter.inventory.set_outcome(PROD_A, None, "FAILED"),
    ),
    _scenario("extraction-timeout", "Extractions never end.", "extraction-timeout", _stuck),
    _scenario(
        "extraction-stale",
        "Tasks end well, but the report stays the old one.",
        "extraction-stale",
        lambda vcenter: vcenter.inventory.set_outcome(PROD_A, None, "SUCCEEDED"),
    ),
    Scenario(
        "never-extracted",
        "No report was ever extracted: the GET answers 404 until the first extraction.",
        (),
        (lambda _vcenter: None,),
        preparation=lambda vcenter: vcenter.extractions.reports.clear(),
        at_once=True,
    ),
    _scenario(
        "eligibility-failed",
        "A cluster managed by baselines can't be extracted: 400 Unsupported.",
        "eligibility-failed",
        lambda vcenter: vcenter.inventory.set_outcome(PROD_B, None, refused=True),
    ),
    _scenario(
        "eligibility-reported",
        "A cluster managed by baselines is not eligible: the report says so.",
        "eligibility-failed",
        lambda vcenter: vcenter.inventory.set_outcome(PROD_B, "ELIGIBILITY_CHECK_FAILURE", "FAILED"),
    ),
    _scenario(
        "host-failed",
        "One host can't be read.",
        "host-failed",
        lambda vcenter: vcenter.hosts.fail_extraction("esx02"),
    ),
    _scenario(
        "host-disconnected",
        "One host does not respond.",
        "host-failed",
        lambda vcenter: vcenter.hosts.disconnect("esx02"),
    ),
    _scenario(
        "host-not-covered",
        "One host is missing from the report.",
        "host-not-covered",
        lambda vcenter: vcenter.hosts.leave_out("esx03"),
    ),
    _scenario(
        "host-hidden",
        "The account loses its permission on one host, which is in the report all the same.",
        "host-hidden",
        lambda vcenter: vcenter.hosts.hide("esx03"),
    ),
    _scenario(
        "host-unsupported",
        "One host runs an ESXi older than 7.0.2.",
        "host-unsupported",
        lambda vcenter: vcenter.hosts.upgrade("esx07", "7.0 U1d"),
    ),
    _scenario(
        "host-error",
        "The report has an error notification on a host that was read.",
        "host-error",
        lambda vcenter: vcenter.hosts.notify("esx04"),
    ),
    _scenario(
        "notification-odd",
        "Notifications of hosts, an error among them, break the API's rules: `retriable` without a `type`.",
        "host-error",
        _notify_oddly,
    ),
)
