"""Reads the wire schemas of proto/kafka/schemas (syntax: ../SCHEMA.md)."""
import re

SCALARS = {  # type in a schema -> (C++ type, bytes on the wire)
    "bool": ("bool", 1),
    "int8": ("int8_t", 1),
    "int16": ("int16_t", 2),
    "uint16": ("uint16_t", 2),
    "int32": ("int32_t", 4),
    "uint32": ("uint32_t", 4),
    "int64": ("int64_t", 8),
    "uuid": ("Uuid", 16),
}
VARIABLE = {"string": "std::string", "bytes": "SharedBytes", "records": "Records"}


class SchemaError(Exception):
    """What is wrong, with file and line."""


class Struct:
    """A message or a nested structure; `versions` is the range it is used in."""

    def __init__(self, name, versions):
        self.name = name
        self.versions = versions
        self.fields = []


class Field:
    """One field. `versions` is clipped to those of the structure around it."""

    def __init__(self, name, versions):
        self.name = name
        self.member = snake_case(name)
        self.versions = versions
        self.type = ""  # as in the schema, without [] and ?
        self.is_array = False
        self.nullable = None  # range of versions that allow null
        self.tag = None
        self.default = None
        self.struct = None


class Message(Struct):
    """A top-level structure: request, response, record key or record value."""

    def __init__(self, name, kind, versions, flexible):
        super().__init__(name, versions)
        self.kind = kind
        self.flexible = flexible  # first flexible version, or None
        self.structs = []  # nested ones, inner before outer


class Schema:
    """One file: an API with two messages or a record type with key and value."""

    def __init__(self):
        self.kind = ""  # "api" or "record"
        self.name = ""
        self.key = 0  # API key or record type
        self.also = []  # further record types with the same key layout
        self.versions = (0, 0)
        self.advertise = (0, 0)
        self.flexible = None
        self.messages = []


def snake_case(name):
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def parse_range(text, outer):
    """"4+", "4-18" or "4" as (first, last), clipped to `outer`."""
    match = re.fullmatch(r"(\d+)(?:(\+)|-(\d+))?", text)
    if not match:
        raise SchemaError("not a version range: " + text)
    first = int(match[1])
    last = outer[1] if match[2] else int(match[3] or first)
    clipped = max(first, outer[0]), min(last, outer[1])
    if clipped[0] > clipped[1]:
        raise SchemaError("no version of %s is in %d-%d" % (text, *outer))
    return clipped


def parse_head(words):
    """The first line: `api NAME key K versions R [flexible F+] [advertise R]` or `record ...`."""
    schema = Schema()
    schema.kind, schema.name = words[0], words[1]
    options = dict(zip(words[2::2], words[3::2]))
    schema.key = int(options["key" if schema.kind == "api" else "type"])
    schema.also = [int(options["also"])] if "also" in options else []
    schema.versions = parse_range(options["versions"], (0, 32767))
    schema.advertise = parse_range(options.get("advertise", options["versions"]), (0, 32767))
    if "flexible" in options:
        schema.flexible = int(options["flexible"].rstrip("+"))
    return schema


def start_message(schema, kind):
    names = {"request": "Request", "response": "Response", "key": "Key", "value": "Value"}
    if kind == "key":  # keys have no version of their own
        message = Message(schema.name + "Key", kind, (0, 0), None)
    else:
        message = Message(schema.name + names[kind], kind, schema.versions, schema.flexible)
    schema.messages.append(message)
    return message


def parse_field(words, message, parent):
    """`Name type[?[range]] [range] [tag N] [= default]`."""
    if "=" in words:
        at = words.index("=")
        words, default = words[:at], words[at + 1]
    else:
        default = None
    versions = parent.versions
    if len(words) > 2 and words[2] != "tag":
        versions = parse_range(words.pop(2), parent.versions)
    field = Field(words[0], versions)
    field.default = default
    field.tag = int(words[3]) if words[2:3] == ["tag"] else None
    match = re.fullmatch(r"(\[\])?(\w+)(?:(\?)(\S*))?", words[1])
    if not match:
        raise SchemaError("not a type: " + words[1])
    field.is_array, field.type = bool(match[1]), match[2]
    if match[3]:
        field.nullable = parse_range(match[4], versions) if match[4] else versions
    if field.type not in SCALARS and field.type not in VARIABLE:
        field.struct = struct_for(field, message)
    if field.tag is not None and versions[0] < (message.flexible or 0):
        raise SchemaError("a tag below the first flexible version: " + field.name)
    parent.fields.append(field)
    return field


def struct_for(field, message):
    """The structure named by the field's type; made at its first use, widened at later ones."""
    for known in message.structs:
        if known.name == field.type:
            first = min(known.versions[0], field.versions[0])
            known.versions = (first, max(known.versions[1], field.versions[1]))
            return known
    made = Struct(field.type, field.versions)
    message.structs.append(made)
    return made


def parse(text):
    """The Schema in `text`. Raises SchemaError with the line number."""
    schema, message, stack = None, None, []
    for number, line in enumerate(text.split("\n"), 1):
        words = line.split("#")[0].split()
        if not words:
            continue
        depth = (len(line) - len(line.lstrip())) // 2
        try:
            if schema is None:
                schema = parse_head(words)
            elif depth == 0:
                message = start_message(schema, words[0])
                stack = [message]
            else:
                del stack[depth:]
                field = parse_field(words, message, stack[-1])
                stack.append(field.struct)
        except (SchemaError, KeyError, AttributeError, IndexError, ValueError) as error:
            raise SchemaError("line %d: %s" % (number, error)) from error
    for message in schema.messages:
        message.structs = inner_first(message)
    return schema


def inner_first(root):
    """The structures below `root`, each after all those it contains."""
    order = []

    def visit(struct, above):
        if struct in above:
            raise SchemaError("recursive structure: " + struct.name)
        for field in struct.fields:
            if field.struct and field.struct not in order:
                visit(field.struct, above + [struct])
        if struct is not root:
            order.append(struct)

    visit(root, [])
    return order
