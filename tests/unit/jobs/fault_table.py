"""Tables of docs/operations.md that tests write, row by row."""

from dataclasses import dataclass
from typing import Final

from tests.paths import ROOT

PAGE: Final = ROOT / "docs" / "operations.md"


@dataclass(frozen=True, slots=True)
class FaultTable:
    """The table between the comments ``name`` and ``/name``."""

    name: str

    def read_head(self) -> str:
        """Read its first row."""
        return self._read()[0]

    def read_rows(self) -> dict[str, str]:
        """Read its rows by what stands in their first cells."""
        return {row.split(" | ")[0].removeprefix("| ").removesuffix(" |"): row for row in self._read()[2:]}

    def hold_row(self, name: str, cells: list[str], *, refresh: bool) -> None:
        """Hold a row to what it should be, or write it."""
        row = f"| {' | '.join([name, *cells])} |"
        if refresh:
            PAGE.write_text(PAGE.read_text().replace(self.read_rows()[name], row))
        assert self.read_rows()[name] == row

    def _read(self) -> list[str]:
        _, _, table = PAGE.read_text().partition(f"<!-- {self.name} -->\n")
        return table.partition(f"<!-- /{self.name} -->")[0].splitlines()
