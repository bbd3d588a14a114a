"""What the system knows of a process: its memory, its processor time, its open files; and what its metrics say."""

import os
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

_TICKS = os.sysconf("SC_CLK_TCK")


def memory(pid: int) -> float:
    """Resident memory in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")) / 1024


def cpu(pid: int) -> float:
    """Processor time so far, seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def files(pid: int) -> int:
    """Open files, sockets among them."""
    return len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 (as quick as may be)


class Metrics:
    """A scrape of the metrics page."""

    def __init__(self, page: str) -> None:
        self._samples = [
            sample for family in text_string_to_metric_families(page) for sample in family.samples
        ]

    def total(self, name: str) -> float:
        """The sum of all samples of a name, whatever their labels."""
        return sum(sample.value for sample in self._samples if sample.name == name)

    def by(self, name: str, label: str) -> dict[str, float]:
        """The samples of a name, by the value of a label."""
        return {sample.labels[label]: sample.value for sample in self._samples if sample.name == name}
