# Warnings are errors for all of Quorate's own code; generated code is exempt.
QUORATE_COPTS = [
    "-Wall",
    "-Wextra",
    "-Werror",
    "-Wno-unused-parameter",
    "-Wnon-virtual-dtor",
    "-Woverloaded-virtual",
]
