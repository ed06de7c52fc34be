"""Writes the C++ of the Kafka codec.

generate.py message FILE.schema DIR     DIR/messages/FILE.{h,cc}, DIR/testing/FILE_random.{h,cc}
generate.py table OUT FILE.schema...    the rows of the API table
generate.py list OUT FILE.schema...     the list of all messages for tests
"""
import os
import sys

import cpp
import cpp_testing
import schema


def load(path):
    with open(path, encoding="utf-8") as file:
        try:
            return schema.parse(file.read())
        except schema.SchemaError as error:
            sys.exit("%s: %s" % (path, error))


def save(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def main(command, *args):
    if command == "message":
        path, out = args
        stem = os.path.basename(path)[:-len(".schema")]
        parsed = load(path)
        save("%s/messages/%s.h" % (out, stem), cpp.header(parsed, stem))
        save("%s/messages/%s.cc" % (out, stem), cpp.source(parsed, stem))
        save("%s/testing/%s_random.h" % (out, stem), cpp_testing.random_header(parsed, stem))
        save("%s/testing/%s_random.cc" % (out, stem), cpp_testing.random_source(parsed, stem))
    elif command == "table":
        save(args[0], cpp_testing.api_table([load(path) for path in args[1:]]))
    elif command == "list":
        save(args[0], cpp_testing.all_messages([load(path) for path in args[1:]]))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(*sys.argv[1:])
