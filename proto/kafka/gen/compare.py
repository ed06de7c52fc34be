"""Compares the schemas with Kafka's own.

compare.py SCHEMAS KAFKA...    SCHEMAS: our folder; KAFKA: folders of Kafka's .json definitions.

Prints each difference in what is on the wire or in a default: a field, its type, versions, null
versions, tag, default, order. Fields outside our version range are left out. Exit code 1 on any.
"""
import glob
import json
import os
import re
import sys

import schema


def kafka_definition(name, folders):
    """The JSON definition, its line comments removed."""
    for folder in folders:
        path = os.path.join(folder, name + ".json")
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                text = re.sub(r'("(?:[^"\\]|\\.)*")|//[^\n]*', lambda m: m[1] or "", file.read())
            return json.loads(text)
    sys.exit("no definition of " + name)


def clip(text, outer):
    """A version range of Kafka's within `outer`; None if nothing is left."""
    if text is None or text == "none":
        return None
    try:
        return schema.parse_range(text, outer)
    except schema.SchemaError:
        return None


def normal_default(value, kind):
    """Defaults in one spelling."""
    text = "" if value is None else str(value)
    if kind.startswith(("int", "uint")) and text not in ("", "null"):
        return str(int(text, 0))
    if kind.startswith(("int", "uint")):
        return text or "0"
    return "false" if kind == "bool" and not text else text


def kafka_fields(fields, common, outer, above=""):
    """Rows (path, type, versions, null versions, tag, default) in wire order."""
    for field in fields:
        versions = clip(field["versions"], outer)
        if versions is None:
            continue
        name, kind = above + field["name"][0].upper() + field["name"][1:], field["type"]
        yield (name, kind, versions, clip(field.get("nullableVersions"), versions),
               field.get("tag"), normal_default(field.get("default"), kind))
        inner = field.get("fields") or common.get(kind.lstrip("[]"), [])
        yield from kafka_fields(inner, common, versions, name + ".")


def our_fields(struct, outer, above=""):
    """The same rows of one of our structures."""
    for field in struct.fields:
        name, kind = above + field.name, ("[]" if field.is_array else "") + field.type
        versions = max(field.versions[0], outer[0]), min(field.versions[1], outer[1])
        yield (name, kind, versions, field.nullable, field.tag,
               normal_default(field.default, kind))
        if field.struct:
            yield from our_fields(field.struct, versions, name + ".")


def differences(parsed, folders):
    for message in parsed.messages:
        theirs = kafka_definition(message.name, folders)
        common = {c["name"]: c["fields"] for c in theirs.get("commonStructs", [])}
        flexible = theirs["flexibleVersions"]
        if flexible != ("none" if message.flexible is None else "%d+" % message.flexible):
            yield "%s: flexible versions %s" % (message.name, flexible)
        if clip(theirs["validVersions"], message.versions) != message.versions:
            yield "%s: valid versions %s" % (message.name, theirs["validVersions"])
        if theirs.get("apiKey") != parsed.key:
            yield "%s: key %s" % (message.name, theirs.get("apiKey"))
        expected = list(kafka_fields(theirs["fields"], common, message.versions))
        actual = list(our_fields(message, message.versions))
        for row in expected + actual:
            if row not in actual or row not in expected:
                yield "%s: %s: %s" % (message.name, "ours" if row in actual else "theirs", row)
        if sorted(map(str, expected)) == sorted(map(str, actual)) and expected != actual:
            yield message.name + ": another order of fields"


def main(ours, *folders):
    found = 0
    for path in sorted(glob.glob(os.path.join(ours, "*.schema"))):
        with open(path, encoding="utf-8") as file:
            parsed = schema.parse(file.read())
        for line in differences(parsed, folders):
            print(line)
            found += 1
    print("%d differences" % found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) if len(sys.argv) > 2 else __doc__)
