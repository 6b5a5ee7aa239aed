"""Judges OCSF events, one JSON object a line on standard input, by the published schema.

The package `ocsf-json-schema` carries the schema as it was published and makes JSON Schemas
of it in which unknown attributes are refused; `jsonschema` judges by them. Prints what is
wrong, and how many events of which class were judged.
"""

import collections
import json
import sys

from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

source = OcsfJsonSchemaEmbedded(get_ocsf_schema("1.8.0"))
validators = {}
judged = collections.Counter()
wrong = 0


def validator(class_uid, profiles):
    key = (class_uid, tuple(profiles))
    if key not in validators:
        name = source.lookup_class_name_from_uid(class_uid)
        schema = source.get_class_schema(name, profiles)
        assert schema["additionalProperties"] is False
        validators[key] = Draft202012Validator(schema)
    return validators[key]


for line in sys.stdin:
    event = json.loads(line)
    judge = validator(event["class_uid"], event["metadata"]["profiles"])
    judged[event["type_uid"]] += 1
    for error in judge.iter_errors(event):
        wrong += 1
        if wrong < 20:
            print(f"{event['type_uid']} {event['activity_name']}: {error.json_path}: {error.message[:300]}")

print("judged", json.dumps(judged, sort_keys=True), "wrong", wrong)
sys.exit(1 if wrong else 0)
