"""Prints compile_commands.json for clangd and clang-tidy."""
import json
import subprocess

def bazel(*args):
    return subprocess.check_output(["bazel", *args], stderr=subprocess.DEVNULL, text=True)

root = bazel("info", "execution_root").strip()
entries = {}
for action in json.loads(bazel("aquery", "--output=jsonproto", 'mnemonic("CppCompile", //...)'))["actions"]:
    argv = action["arguments"]
    source = argv[argv.index("-c") + 1]
    entries.setdefault(source, {"directory": root, "file": source, "arguments": argv})
print(json.dumps(list(entries.values()), indent=1))
