# protoc and grpc_cpp_plugin from the distribution's packages, without rules_proto.
load("@rules_cc//cc:defs.bzl", "cc_library")

_Protos = provider(fields = {"files": "depset of .proto files, transitive"})

def _proto_gen_impl(ctx):
    protos = depset(ctx.files.srcs, transitive = [d[_Protos].files for d in ctx.attr.deps])
    hdrs, srcs = [], []
    for src in ctx.files.srcs:
        stem = src.basename[:-len(".proto")]
        for part in [".pb"] + ([".grpc.pb"] if ctx.attr.grpc else []):
            hdrs.append(ctx.actions.declare_file(stem + part + ".h"))
            srcs.append(ctx.actions.declare_file(stem + part + ".cc"))
    args = ctx.actions.args()
    args.add("--proto_path=.")
    args.add("--cpp_out=" + ctx.bin_dir.path)
    if ctx.attr.grpc:
        args.add("--plugin=protoc-gen-grpc=/usr/bin/grpc_cpp_plugin")
        args.add("--grpc_out=" + ctx.bin_dir.path)
    args.add_all(ctx.files.srcs)
    ctx.actions.run(
        executable = "/usr/bin/protoc",
        arguments = [args],
        inputs = protos,
        outputs = hdrs + srcs,
        mnemonic = "Protoc",
        use_default_shell_env = True,
    )
    return [
        DefaultInfo(files = depset(hdrs + srcs)),
        OutputGroupInfo(hdrs = depset(hdrs), srcs = depset(srcs)),
        _Protos(files = protos),
    ]

_proto_gen = rule(
    implementation = _proto_gen_impl,
    attrs = {
        "deps": attr.label_list(providers = [_Protos]),
        "grpc": attr.bool(),
        "srcs": attr.label_list(allow_files = [".proto"]),
    },
)

def quorate_cc_proto(name, srcs, deps = [], grpc = False, **kwargs):
    """A cc_library of the messages (and stubs, if grpc) of `srcs`.

    Imports in the .proto files are workspace-relative; google/protobuf/*.proto come from
    /usr/include. `deps` are other quorate_cc_proto targets, written with a colon.
    """
    _proto_gen(
        name = name + "_gen",
        srcs = srcs,
        grpc = grpc,
        deps = [d + "_gen" for d in deps],
        visibility = kwargs.get("visibility"),
    )
    for group in ["hdrs", "srcs"]:
        native.filegroup(name = name + "_" + group, srcs = [name + "_gen"], output_group = group)
    cc_library(
        name = name,
        srcs = [name + "_srcs"],
        hdrs = [name + "_hdrs"],
        copts = ["-w"],
        deps = deps + ["//bazel/system:grpc" if grpc else "//bazel/system:protobuf"],
        **kwargs
    )
