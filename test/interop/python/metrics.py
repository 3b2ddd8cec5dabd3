"""Reads a scrape from stdin with Prometheus's own parser, and prints a JSON line for each family: name, type, the label names of its samples,
and the bounds of its buckets."""

import json
import sys

from prometheus_client.parser import text_string_to_metric_families

for family in text_string_to_metric_families(sys.stdin.read()):
    labels = {",".join(sorted(set(sample.labels) - {"le"})) for sample in family.samples}
    bounds = {sample.labels["le"] for sample in family.samples if "le" in sample.labels}
    name = family.name + ("_total" if family.type == "counter" else "")  # which the parser removes
    print(json.dumps({"name": name, "type": family.type, "labels": sorted(labels), "bounds": sorted(bounds)}))
