# Warnings are errors for all of Quorate's own code; generated code is exempt.
QUORATE_COPTS = [
    "-Wall",
    "-Wextra",
    "-Werror",
    "-Wno-unused-parameter",
    "-Wnon-virtual-dtor",
    "-Woverloaded-virtual",
] + [
    # What GCC 12 finds by following data through optimised code it often finds falsely (optional
    # members, joined strings): shown, but no error.
    "-Wno-error=" + warning
    for warning in [
        "array-bounds",
        "dangling-pointer",
        "free-nonheap-object",
        "maybe-uninitialized",
        "nonnull",
        "restrict",
        "stringop-overflow",
        "stringop-overread",
        "uninitialized",
        "unused-result",
        "use-after-free",
    ]
]
