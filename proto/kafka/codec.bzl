# The generated part of the Kafka codec.

def kafka_codec(name, schemas):
    """Sources `name`_{hdrs,srcs}, test support `name`_random_{hdrs,srcs}, table and list."""
    stems = [s.split("/")[-1][:-len(".schema")] for s in schemas]
    generate = "/usr/bin/python3 -B $(location gen/generate.py) "
    for stem in stems:
        native.genrule(
            name = "gen_" + stem,
            srcs = ["schemas/" + stem + ".schema"],
            outs = [
                "messages/" + stem + ".h",
                "messages/" + stem + ".cc",
                "testing/" + stem + "_random.h",
                "testing/" + stem + "_random.cc",
            ],
            cmd = generate + "message $(SRCS) $(RULEDIR)",
            tools = [":generator", "gen/generate.py"],
        )
    native.genrule(
        name = "gen_table",
        srcs = schemas,
        outs = ["api_table.inc"],
        cmd = generate + "table $@ $(SRCS)",
        tools = [":generator", "gen/generate.py"],
    )
    native.genrule(
        name = "gen_list",
        srcs = schemas,
        outs = ["testing/all_messages.cc"],
        cmd = generate + "list $@ $(SRCS)",
        tools = [":generator", "gen/generate.py"],
    )
    native.filegroup(name = name + "_hdrs", srcs = ["messages/%s.h" % s for s in stems])
    native.filegroup(name = name + "_srcs", srcs = ["messages/%s.cc" % s for s in stems])
    native.filegroup(
        name = name + "_random_hdrs",
        srcs = ["testing/%s_random.h" % s for s in stems],
    )
    native.filegroup(
        name = name + "_random_srcs",
        srcs = ["testing/%s_random.cc" % s for s in stems],
    )
