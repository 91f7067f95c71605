"""Where things are in the checkout."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
EVENTS = ROOT / "events"
GOLDEN = ROOT / "tests" / "golden"
SCHEMAS = ROOT / "schemas"
