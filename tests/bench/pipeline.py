"""Signs a compressed module as scripts of certs-local do: decompresses in memory, has the kernel's sign-file sign a
temporary file, compresses that and writes it over the module. One of the programs that ksign is measured against.

pipeline.py SIGN_FILE HASH KEY CERTIFICATE MODULE
"""

import gzip
import lzma
import pathlib
import subprocess
import sys
import tempfile

XZ_FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": 1 << 20}]
CODECS = {
    ".xz": (lzma.decompress, lambda data: lzma.compress(data, check=lzma.CHECK_CRC32, filters=XZ_FILTERS)),
    ".gz": (gzip.decompress, lambda data: gzip.compress(data, compresslevel=6)),
}

*signing, name = sys.argv[1:]
module = pathlib.Path(name)
decompress, compress = CODECS[module.suffix]
with tempfile.NamedTemporaryFile(suffix=".ko") as plain:
    plain.write(decompress(module.read_bytes()))
    plain.flush()
    subprocess.run([*signing, plain.name], check=True)
    module.write_bytes(compress(pathlib.Path(plain.name).read_bytes()))
