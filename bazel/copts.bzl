# Warnings are errors for all of Quorate's own code; generated code is exempt.
QUORATE_COPTS = [
    "-Wall",
    "-Wextra",
    "-Werror",
    "-Wno-unused-parameter",
    "-Wnon-virtual-dtor",
    "-Woverloaded-virtual",
    # GCC 12 raises these two falsely at -O2, for optional members and for joined strings.
    "-Wno-maybe-uninitialized",
    "-Wno-restrict",
]
