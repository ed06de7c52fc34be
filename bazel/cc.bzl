# cc_* with the house's compiler options; every package loads these.
load("@rules_cc//cc:defs.bzl", _cc_binary = "cc_binary", _cc_library = "cc_library", _cc_test = "cc_test")
load("//bazel:copts.bzl", "QUORATE_COPTS")

def cc_library(copts = [], **kwargs):
    _cc_library(copts = QUORATE_COPTS + copts, **kwargs)

def cc_binary(copts = [], **kwargs):
    _cc_binary(copts = QUORATE_COPTS + copts, **kwargs)

# The sources of tests are not worth optimising: what they test is. Fortify needs -O.
_TEST_COPTS = [
    "-O0",
    "-U_FORTIFY_SOURCE",
]

def cc_test(copts = [], deps = [], tags = [], **kwargs):
    """A GoogleTest test; gtest_main is linked unless `deps` already names a main."""
    mains = [d for d in deps if d.endswith(":gtest_main") or d.endswith("_test_main")]
    _cc_test(
        copts = QUORATE_COPTS + _TEST_COPTS + copts,
        deps = deps + ([] if mains else ["//bazel/system:gtest_main"]),
        tags = tags + ["block-network"],
        **kwargs
    )
