"""What Prometheus would read of a service: its numbers by name and labels."""

from typing import TypeAlias

import requests
from prometheus_client.parser import text_string_to_metric_families

Labels: TypeAlias = tuple[tuple[str, str], ...]
Numbers: TypeAlias = dict[tuple[str, Labels], float]


def scrape(port: int) -> Numbers:
    """Every number at `/metrics` of a port of this machine."""
    answer = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=60)
    assert answer.status_code == 200, answer.text
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def number(numbers: Numbers, name: str, **labels: str) -> float:
    """The sum of all numbers of that name which have these labels, and maybe more."""
    wanted = set(labels.items())
    return sum(value for (own, its), value in numbers.items() if own == name and wanted <= set(its))
