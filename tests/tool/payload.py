#!/usr/bin/python3 -IS
"""Takes signed kernel modules apart, by none of ksign's code.

  payload.py sums            paths from standard input, each ended by a zero byte; one line a file:
                             SHA-256 of the payload, number of signatures, path
  payload.py split FILE PAYLOAD SIGNATURE
                             writes the payload and the last signature (a CMS message) of one module

Compressed modules are told by their first bytes, and decompressed by xz, zstd and gzip.
Layout: include/linux/module_signature.h of the kernel.
"""

import hashlib
import struct
import subprocess
import sys

MARKER = b"~Module signature appended~\n"
INFO = struct.Struct(">8sI")  # algo, hash, id_type, signer_len, key_id_len, padding; sig_len
PLAIN_INFO = b"\0\0\2\0\0\0\0\0"
MAGICS = {b"\xfd7zXZ\0": "xz", b"\x28\xb5\x2f\xfd": "zstd", b"\x1f\x8b": "gzip"}


def read_module(path):
    with open(path, "rb") as file:
        content = file.read()
    for magic, program in MAGICS.items():
        if content.startswith(magic):
            return subprocess.run([program, "-dc"], input=content, stdout=subprocess.PIPE, check=True).stdout
    return content


def take_apart(content, path):
    """The payload, and the signatures from the last to the first."""
    end = len(content)
    signatures = []
    while content[max(0, end - len(MARKER)):end] == MARKER:
        end -= len(MARKER) + INFO.size
        fields, size = INFO.unpack(content[end:end + INFO.size])
        if fields != PLAIN_INFO or size == 0 or size > end:
            sys.exit(f"{path}: broken trailer")
        signatures.append(content[end - size:end])
        end -= size
    return memoryview(content)[:end], signatures


def main(arguments):
    if arguments == ["sums"]:
        for path in sys.stdin.buffer.read().split(b"\0")[:-1]:
            payload, signatures = take_apart(read_module(path), path)
            line = f"{hashlib.sha256(payload).hexdigest()} {len(signatures)} ".encode() + path + b"\n"
            sys.stdout.buffer.write(line)
    elif len(arguments) == 4 and arguments[0] == "split":
        payload, signatures = take_apart(read_module(arguments[1]), arguments[1])
        if not signatures:
            sys.exit(f"{arguments[1]}: not signed")
        with open(arguments[2], "wb") as file:
            file.write(payload)
        with open(arguments[3], "wb") as file:
            file.write(signatures[0])
    else:
        sys.exit(__doc__)


main(sys.argv[1:])
