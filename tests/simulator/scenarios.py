"""All scenarios by name."""

from tests.simulator.scenario import Scenario
from tests.simulator.scenarios_drift import DRIFT
from tests.simulator.scenarios_elements import ELEMENTS
from tests.simulator.scenarios_extraction import EXTRACTION
from tests.simulator.scenarios_fleet import FLEET
from tests.simulator.scenarios_vcenter import VCENTER

SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario for scenario in (*DRIFT, *ELEMENTS, *EXTRACTION, *FLEET, *VCENTER)
}
