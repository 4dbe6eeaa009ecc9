"""What is measured: works, and for each the programs that can do it. Called by tests/bench/run."""

import argparse
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

import report

HERE = pathlib.Path(__file__).parent
THREADS = 2
XZ = "xz --check=crc32 --lzma2=dict=1MiB"

works = {}


def work(function):
    """Registers a work under the name of its function."""
    works[function.__name__.replace("_", "-")] = function
    return function


class Bench:
    """The machine's part: files, keys, rounds."""

    def __init__(self, arguments):
        self.arguments = arguments
        self.scratch = pathlib.Path(arguments.scratch)
        self.scratch.mkdir()
        self.results = []

    # --- commands of the contenders ---

    def key(self, name):
        return f"{self.arguments.keys}/{name}.key"

    def certificate(self, name):
        return f"{self.arguments.keys}/{name}.pem"

    def sign(self, key, *words):
        """ksign signs folders or files, with no other configuration than this."""
        return [self.arguments.ksign, "sign", "--config", "/dev/null", "--key", self.key(key),
                "--certificate", self.certificate(key), "--hash", "sha512", "-j", str(THREADS), *map(str, words)]

    def sign_file(self, key):
        """The kernel's sign-file, but for the module."""
        return f"{self.arguments.sign_file} sha512 {self.key(key)} {self.certificate(key)}"

    def each(self, key, before, after, suffix):
        """A shell line for each module: decompress, sign, compress, as scripts do."""
        return f"{before} $1{suffix} && {self.sign_file(key)} $1 && {after} $1"

    def python(self, key, module):
        """A script that does it in memory, as those of certs-local do."""
        return ["/usr/bin/python3", str(HERE / "pipeline.py"), *self.sign_file(key).split(), str(module)]

    # --- files ---

    def fresh(self, origin):
        """A copy of a file or folder that is on the disk, and nothing else is waiting to get there."""
        target = self.scratch / "fresh"
        if target.is_dir():
            shutil.rmtree(target)
        target.mkdir()
        run(["cp", "-a", str(origin), str(target)])
        os.sync()
        return target / pathlib.Path(origin).name

    def module(self, name):
        return next(pathlib.Path(self.arguments.modules).rglob(name))

    def stripped(self, name):
        """A module without signature, which the first signing begins with."""
        target = self.scratch / name
        if not target.exists():
            shutil.copy(self.module(name), target)
            run([self.arguments.ksign, "strip", "--config", "/dev/null", str(target)])
        return target

    def corpus(self):
        """All modules without signature, in one tree."""
        target = self.scratch / "corpus"
        if not target.exists():
            shutil.copytree(self.arguments.modules, target,
                            ignore=lambda folder, names: [n for n in names if not is_module(folder, n)])
            run([self.arguments.ksign, "strip", "--config", "/dev/null", str(target)])
        return target

    def compressed_corpus(self):
        target = self.scratch / "corpus-zst"
        if not target.exists():
            shutil.copytree(self.corpus(), target)
            shell(f"find {target} -name '*.ko' -print0 | xargs -0 -P{THREADS} -n 50 zstd -q --rm")
        return target

    # --- measuring ---

    def compare(self, title, contenders, prepare, goal=None, rounds=None, times=1):
        """Each contender in turns: a function that runs it on what prepare() gives. The first is ksign; the goal is how
        many times faster than the second it has to be. Times is how often one round does it."""
        taken = {name: [] for name in contenders}
        for round_number in range((rounds or self.arguments.rounds) + 1):
            for name, command in contenders.items():
                what = prepare()
                start = time.perf_counter()
                for _ in range(times):
                    command(what)
                seconds = (time.perf_counter() - start) / times
                if round_number > 0:  # the first fills the page cache
                    taken[name].append(seconds)
        self.add(report.Comparison(title, {name: report.Sample(values) for name, values in taken.items()}, goal))

    def add(self, result):
        self.results.append(result)
        print(result.text(), flush=True)


def run(command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def shell(line):
    run(["bash", "-euo", "pipefail", "-c", line])


def is_module(folder, name):
    return name.endswith(".ko") or os.path.isdir(os.path.join(folder, name))


@work
def one_module(bench):
    """One small module by sign-file, whole process: what DKMS does."""
    small = min(pathlib.Path(bench.arguments.modules).rglob("*.ko"), key=lambda file: abs(file.stat().st_size - 60000))
    module = bench.stripped(small.name)
    for key in ("rsa4096", "p384"):
        words = ["sha512", bench.key(key), bench.certificate(key)]
        bench.compare(
            f"{module.name}, sign-file, {key}",
            {
                "ksign sign-file": lambda file, words=words: run([bench.arguments.ksign, "sign-file", *words, file, f"{file}.signed"]),
                "the kernel's sign-file": lambda file, words=words: run([bench.arguments.sign_file, *words, file, f"{file}.signed"]),
            },
            lambda module=module: bench.fresh(module), goal=1.0, rounds=4 * bench.arguments.rounds, times=10)


@work
def all_plain(bench):
    """All modules of a kernel, plain."""
    corpus = bench.corpus()
    count = sum(1 for _ in corpus.rglob("*.ko"))

    def limit(folder):
        shell(f"find {folder} -name '*.ko' | {bench.arguments.limit} {THREADS} {bench.key('p384')}")

    bench.compare(
        f"{count} modules, plain, p384",
        {
            "ksign sign": lambda folder: run(bench.sign("p384", folder)),
            "xargs -P2 sign-file": lambda folder: shell(
                f"find {folder} -name '*.ko' -print0 | xargs -0 -P{THREADS} -n 1 {bench.sign_file('p384')}"),
            "the limit": limit,
        },
        lambda: bench.fresh(corpus), goal=4.0)


@work
def all_zstd(bench):
    """All modules of a kernel, .ko.zst."""
    corpus = bench.compressed_corpus()
    line = bench.each("p384", "zstd -q -d --rm", "zstd -q --rm", ".zst")
    bench.compare(
        "all modules, .zst, p384",
        {
            "ksign sign": lambda folder: run(bench.sign("p384", folder)),
            "zstd -d, sign-file, zstd": lambda folder: shell(
                f"find {folder} -name '*.ko.zst' -print0 | sed -z 's/.zst$//' | xargs -0 -P{THREADS} -n 1 sh -c '{line}' sh"),
        },
        lambda: bench.fresh(corpus), goal=8.0, rounds=min(3, bench.arguments.rounds))


def one_compressed(bench, title, suffix, compress, decompress, goals, python=True):
    """amdgpu.ko in a container, signed at first and again."""
    plain = bench.stripped("amdgpu.ko")
    packed = bench.scratch / f"amdgpu.ko{suffix}"
    shell(f"{compress} -c {plain} >{packed}")
    line = bench.each("p384", decompress, compress, suffix)
    signed = bench.fresh(packed)
    run(bench.sign("rsa4096", signed))
    shutil.copy(signed, bench.scratch / f"again.ko{suffix}")
    for name, origin, goal in ((f"{title}, first signing", packed, goals[0]),
                               (f"{title}, signing again", bench.scratch / f"again.ko{suffix}", goals[1])):
        contenders = {
            "ksign sign": lambda file: run(bench.sign("p384", file)),
            f"{decompress}, sign-file, {compress}": lambda file: run(
                ["sh", "-c", line, "sh", str(file).removesuffix(suffix)]),
        }
        if python:
            contenders["Python, sign-file"] = lambda file: run(bench.python("p384", file))
        bench.compare(name, contenders, lambda origin=origin: bench.fresh(origin), goal=goal)


@work
def large_xz(bench):
    """amdgpu.ko.xz."""
    one_compressed(bench, "amdgpu.ko.xz", ".xz", XZ, "xz -d", (20.0, 10.0))


@work
def large_zstd(bench):
    """amdgpu.ko.zst, compressed at level 19 as distributions do."""
    one_compressed(bench, "amdgpu.ko.zst (19)", ".zst", "zstd -q -19 --rm", "zstd -q -d --rm", (50.0, None), python=False)


@work
def large_gzip(bench):
    """amdgpu.ko.gz."""
    one_compressed(bench, "amdgpu.ko.gz", ".gz", "gzip", "gzip -d", (4.0, None))


@work
def spliced_sizes(bench):
    """What splicing adds to the files, against compressing them anew: every tenth module."""
    modules = sorted(bench.corpus().rglob("*.ko"))[::10]
    more = {}
    for suffix, compress, decompress in ((".xz", XZ, "xz -d"), (".zst", "zstd -q --rm", "zstd -q -d --rm"),
                                         (".gz", "gzip", "gzip -d")):
        folders = [bench.scratch / name for name in ("spliced", "anew")]
        for folder in folders:
            folder.mkdir()
            for module in modules:
                shutil.copy(module, folder)
            shell(f"find {folder} -name '*.ko' -print0 | xargs -0 -P{THREADS} -n 10 {compress}")
        run(bench.sign("p384", folders[0]))
        line = bench.each("p384", decompress, compress, suffix)
        shell(f"find {folders[1]} -type f -print0 | sed -z 's/{suffix}$//' | xargs -0 -P{THREADS} -n 1 sh -c '{line}' sh")
        spliced, anew = (sum(file.stat().st_size for file in folder.iterdir()) for folder in folders)
        more[suffix] = 100 * (spliced / anew - 1)
        for folder in folders:
            shutil.rmtree(folder)
    bench.add(report.Figures(f"Size after splicing, {len(modules)} modules together, over compressing anew", "%", more))


def of_size(bench, size):
    """A module of a size, half of which compresses well."""
    content = bench.scratch / "content"
    block = os.urandom(1 << 19) + bytes(range(256)) * (1 << 11)
    with open(content, "wb") as file:
        for _ in range(size // len(block)):
            file.write(block)
    module = bench.scratch / f"of-{size}.ko"
    shell(f"objcopy --add-section .content={content} {bench.stripped('loop.ko')} {module}")
    content.unlink()
    return module


def packed(module, suffix):
    """Compressed as cheaply as may be: only its reading and splicing is measured."""
    target = module.with_name(module.name + suffix)
    command = {"": "cat", ".xz": "xz -1 -T2 -c --check=crc32", ".zst": "zstd -q -1 -c", ".gz": "gzip -1 -c"}[suffix]
    shell(f"{command} {module} >{target}.new && mv {target}.new {target}")
    return target


@work
def memory(bench):
    """Peak memory with a module of 200 MB."""
    module = of_size(bench, 200 << 20)
    peaks = {}
    for suffix in ("", ".gz", ".xz", ".zst"):
        for name in ("first", "again"):
            file = bench.fresh(packed(module, suffix)) if name == "first" else file
            output = bench.scratch / "peak"
            run(["/usr/bin/time", "-o", str(output), "-f", "%M", *bench.sign("p384" if name == "first" else "rsa4096", file)])
            peaks[f"{suffix or 'plain'}, {name}"] = int(output.read_text()) / 1024
    bench.add(report.Figures("Peak memory, a module of 200 MB", "MiB", peaks))


@work
def sizes(bench):
    """One module of growing size, by container."""
    points = {}
    for megabytes in (1, 10, 50, 200, 500):
        module = of_size(bench, megabytes << 20)
        for suffix in ("", ".gz", ".zst", ".xz"):
            origin = packed(module, suffix)
            taken = []
            for _ in range(3):
                file = bench.fresh(origin)
                start = time.perf_counter()
                run(bench.sign("p384", file))
                taken.append(time.perf_counter() - start)
            points.setdefault(suffix or "plain", []).append((megabytes, statistics.median(taken)))
            if suffix:
                origin.unlink()
        module.unlink()
    bench.add(report.Curves("One module of growing size", "MB", points))


@work
def counts(bench):
    """Growing numbers of modules."""
    modules = sorted(bench.corpus().rglob("*.ko"))
    points = []
    for count in (10, 100, 1000, len(modules)):
        folder = bench.scratch / "counted"
        # Evenly from all, so that the mean size is alike.
        folder.mkdir()
        for index in range(count):
            shutil.copy(modules[index * len(modules) // count], folder)
        taken = []
        for _ in range(5):
            copy = bench.fresh(folder)
            start = time.perf_counter()
            run(bench.sign("p384", copy))
            taken.append(time.perf_counter() - start)
        points.append((count, statistics.median(taken)))
        shutil.rmtree(folder)
    bench.add(report.Curves("Growing numbers of modules", "modules", {"plain": points}))


def main():
    parser = argparse.ArgumentParser(prog="tests/bench/run BUILD_DIR")
    for name in ("ksign", "limit", "sign-file", "package", "modules", "keys", "scratch"):
        parser.add_argument(f"--{name}", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--output", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("works", nargs="*", metavar="WORK")
    arguments = parser.parse_args()
    if arguments.list:
        for name, function in works.items():
            print(f"{name:12} {function.__doc__}")
        return
    unknown = [name for name in arguments.works if name not in works]
    if unknown:
        sys.exit(f"tests/bench/run: there is no work '{unknown[0]}'")
    bench = Bench(arguments)
    for name in arguments.works or works:
        works[name](bench)
    report.write(arguments.output, report.machine(arguments), bench.results)


main()
