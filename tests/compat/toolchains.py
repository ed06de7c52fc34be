"""Where the stock clients live, and how they get there.

Each class answers two calls: `find()` returns a ready toolchain or raises Missing with the
reason, touching no network; `install()` makes it ready, downloading only what is not cached yet.
The cache is ${QUORATE_CACHE:-$HOME/.cache/quorate}/compat; Maven and Go use their own caches too.
"""

import hashlib
import os
import pathlib
import shutil
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
CACHE = pathlib.Path(
    os.environ.get("QUORATE_CACHE") or pathlib.Path.home() / ".cache" / "quorate") / "compat"
_INSTALL_TIMEOUT_S = 900


class Missing(Exception):
    """A toolchain, or what is installed with it, is not on this machine."""


def program(name):
    """Returns the path of an executable on PATH, or raises Missing."""
    path = shutil.which(name)
    if path is None:
        raise Missing(f"no {name} on this machine")
    return path


def _run(argv, cwd=None, env=None):
    """Runs an installer; raises Missing with the end of what it said when it fails."""
    try:
        done = subprocess.run(argv, cwd=cwd, env=env, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=_INSTALL_TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        raise Missing(f"{argv[0]} took over {_INSTALL_TIMEOUT_S} s") from error
    if done.returncode != 0:
        said = " ".join((done.stderr + done.stdout).split())[-300:]
        raise Missing(f"{pathlib.Path(argv[0]).name} failed: {said}")
    return done.stdout


def _digest(*files):
    """Returns a short name for the contents of these files."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _installed(marker, what):
    if not marker.exists():
        raise Missing(f"{what} not installed: run tests/compat/setup")
    return marker


class Kcat:
    """kcat, from the distribution."""

    @staticmethod
    def find():
        """Returns kcat's path."""
        return program("kcat")

    install = find


class Python:
    """A virtual environment with the Python clients of clients/requirements.txt."""

    requirements = HERE / "clients" / "requirements.txt"

    @classmethod
    def _directory(cls):
        return CACHE / f"venv-{_digest(cls.requirements)}"

    @classmethod
    def find(cls):
        """Returns the environment's interpreter."""
        _installed(cls._directory() / "installed", "Python clients")
        return str(cls._directory() / "bin" / "python")

    @classmethod
    def install(cls):
        """Creates the environment and installs the pinned versions."""
        directory = cls._directory()
        if not (directory / "installed").exists():
            shutil.rmtree(directory, ignore_errors=True)
            _run([program("python3"), "-m", "venv", str(directory)])
            _run([str(directory / "bin" / "python"), "-m", "pip", "install", "--quiet",
                  "--disable-pip-version-check", "--only-binary", ":all:",
                  "-r", str(cls.requirements)])
            (directory / "installed").touch()
        return cls.find()


class Java:
    """Java 17 or newer and the class path of Apache Kafka's tools and server."""

    pom = HERE / "java" / "pom.xml"
    tool_flags = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx256m",
                  f"-Dlog4j2.configurationFile={HERE / 'java' / 'log4j2-tools.xml'}"]

    def __init__(self, java, class_path):
        self._java, self._class_path = java, class_path

    def command(self, main_class, *arguments, flags=None):
        """Returns the argv that runs a main class; `flags` replaces the tools' JVM flags."""
        return [self._java, *(flags or self.tool_flags), "-cp", self._class_path, main_class,
                *arguments]

    @classmethod
    def _file(cls):
        return CACHE / f"java-{_digest(cls.pom)}.classpath"

    @classmethod
    def find(cls):
        """Returns a Java whose class path is complete."""
        java = program("java")
        class_path = _installed(cls._file(), "Kafka's Maven artifacts").read_text().strip()
        for jar in class_path.split(":"):
            if not os.path.exists(jar):
                raise Missing(f"{os.path.basename(jar)} has gone: run tests/compat/setup")
        return cls(java, class_path)

    @classmethod
    def install(cls):
        """Has Maven fetch the artifacts and write their class path."""
        try:
            return cls.find()
        except Missing:
            program("java")
        CACHE.mkdir(parents=True, exist_ok=True)
        cls._file().unlink(missing_ok=True)
        output = CACHE / "classpath.tmp"
        goal = ["-q", "-B", "-f", str(cls.pom), "dependency:build-classpath",
                f"-Dmdep.outputFile={output}"]
        _run([program("mvn"), *goal])
        output.rename(cls._file())
        return cls.find()


class FranzGo:
    """The franz-go client, built from clients/franz."""

    source = HERE / "clients" / "franz"

    @classmethod
    def _binary(cls):
        return CACHE / ("franz-" + _digest(*(cls.source / n for n in
                                             ("main.go", "go.mod", "go.sum"))))

    @classmethod
    def find(cls):
        """Returns the built program's path."""
        program("go")
        return str(_installed(cls._binary(), "franz-go client"))

    @classmethod
    def install(cls):
        """Builds the program; the Go module cache keeps what it needs."""
        if not cls._binary().exists():
            CACHE.mkdir(parents=True, exist_ok=True)
            building = cls._binary().with_suffix(".tmp")
            environment = dict(os.environ, GOFLAGS="-mod=readonly", GOTOOLCHAIN="local",
                               CGO_ENABLED="0")
            _run([program("go"), "build", "-o", str(building), "."], cls.source, environment)
            building.rename(cls._binary())
        return cls.find()


class KafkaJs:
    """kafkajs and its codecs, installed beside a copy of clients/kafkajs/client.js."""

    source = HERE / "clients" / "kafkajs"

    @classmethod
    def _directory(cls):
        return CACHE / ("kafkajs-" + _digest(cls.source / "package.json",
                                             cls.source / "package-lock.json"))

    @classmethod
    def find(cls):
        """Returns [node, script] and the module directory, as (argv, NODE_PATH)."""
        node = program("node")
        _installed(cls._directory() / "installed", "kafkajs")
        return [node, str(cls.source / "client.js")], str(cls._directory() / "node_modules")

    @classmethod
    def install(cls):
        """Installs what package-lock.json pins, without running any install script."""
        directory = cls._directory()
        if not (directory / "installed").exists():
            shutil.rmtree(directory, ignore_errors=True)
            directory.mkdir(parents=True)
            for name in ("package.json", "package-lock.json"):
                shutil.copy(cls.source / name, directory)
            _run([program("npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund"], directory)
            (directory / "installed").touch()
        return cls.find()


ALL = {
    "kcat": Kcat,
    "python": Python,
    "java": Java,
    "franz-go": FranzGo,
    "kafkajs": KafkaJs,
}
