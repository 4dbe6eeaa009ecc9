# shellcheck shell=bash disable=SC2154,SC2164 # variables of environment.sh; set -e of run
# A module of 200 MB: what ksign needs is bounded by windows, not by the module.
#
# Bounds, in KiB of peak resident memory. What each sums up from (xz(1), zlib's and
# zstd's own documentation), beside 12 MiB of program, libraries and buffers:
#   plain  nothing more
#   gzip   256 KiB of window and tables for each direction
#   xz     level 6 with a dictionary of 1 MiB: 12 MiB to compress, 1 MiB to read
#   zstd   level 3: a window of 2 MiB and its tables, 6 MiB; as much to read
# The bounds are that, twice over: allocators and other versions of the libraries
# may differ. All are far below the module.
declare -A bound=([plain]=24576 [gz]=24576 [xz]=49152 [zst]=40960)
signing=(--hash sha512 --key "$keys/rsa2048.key" --certificate "$keys/rsa2048.der")
command -v /usr/bin/time >/dev/null || fail "GNU time is not installed"

# Random bytes, which take a compressor longest, then code, then zeros, in turns:
# each of them passes through every window. xz takes a second for 2 MB of random
# bytes at any level, so more of them would be minutes.
head -c 500000 "$(command -v openssl)" >code
head -c 9500000 /dev/zero >zero
for ((turn = 0; turn < 20; turn++)); do
    head -c 500000 /dev/urandom
    cat code zero
done >content
objcopy --add-section .ksign_content=content "$samples/sample.ko" large.ko
size=$(stat -c %s large.ko)
((size >= 200000000)) || fail "large.ko has $size bytes only"
rm zero code content

for container in plain gz zst xz; do
    step "$container"
    # Level 1 for what is only prepared here.
    case $container in
        plain) cp large.ko m.ko ;;
        xz) xz --check=crc32 --lzma2=preset=1,dict=1MiB -T2 -c large.ko >m.ko ;;
        zst) zstd -q -1 -c large.ko >m.ko ;;
        gz) gzip -n -1 -c large.ko >m.ko ;;
    esac
    for round in sign "already signed" strip; do
        case $round in
            strip) arguments=(strip) ;;
            *) arguments=(sign "${signing[@]}") ;;
        esac
        # The default level is the one whose memory counts, and once is enough.
        [[ $container != xz || $round != strip ]] || arguments+=(--level 0)
        expect_exit 0 /usr/bin/time -o "$scratch/time" -f '%M %e' "$bin/ksign" "${arguments[@]}" m.ko
        read -r peak seconds <"$scratch/time"
        figure "200 MB $container, $round: peak $((peak / 1024)) MiB, $seconds s"
        ((peak < ${bound[$container]})) || fail "$container, $round: peak of $peak KiB is over ${bound[$container]}"
        if [[ $round == sign ]]; then
            "$tool_tests/payload.py" split m.ko "$scratch/payload" "$scratch/signature"
            cmp "$scratch/payload" large.ko
            verify "$scratch/payload" "$scratch/signature" "$keys/rsa2048.pem" || fail "$container: not right"
        fi
    done
    decompress m.ko | cmp - large.ko || fail "$container: strip did not give the module back"
done

step "sign-file, and show"
expect_exit 0 /usr/bin/time -o "$scratch/time" -f %M "$bin/sign-file" sha512 "$keys/p384.key" "$keys/p384.der" large.ko dest.ko
(($(<"$scratch/time") < bound[plain])) || fail "sign-file: peak of $(<"$scratch/time") KiB"
expect_exit 0 /usr/bin/time -o "$scratch/time" -f %M "$bin/ksign" show m.ko
(($(<"$scratch/time") < bound[xz])) || fail "show: peak of $(<"$scratch/time") KiB"

# Appends a signature by that many unknown ML-DSA keys, which sign the module's bytes themselves.
# The kernel parses no more than 65535 bytes.
sign_unknown() {
    python3 -IS - "$@" <<'END'
import sys

def der(tag, *parts):
    body = b"".join(parts)
    octets = (len(body).bit_length() + 7) // 8
    size = bytes([len(body)]) if len(body) < 128 else bytes([0x80 + octets]) + len(body).to_bytes(octets, "big")
    return bytes([tag]) + size + body

sequence, set_of, integer, octet_string, identifier, text = 0x30, 0x31, 2, 4, 6, 12
sha512 = der(sequence, der(identifier, bytes.fromhex("608648016503040203")))
ml_dsa_44 = der(sequence, der(identifier, bytes.fromhex("608648016503040311")))
issuer = der(sequence, der(set_of, der(sequence, der(identifier, b"\x55\x04\x03"), der(text, b"x"))))
number = der(integer, b"\1")
signer = der(sequence, number, der(sequence, issuer, number), sha512, ml_dsa_44, der(octet_string, b"x"))
data = der(sequence, der(identifier, bytes.fromhex("2a864886f70d010701")))
signed = der(sequence, number, der(set_of, sha512), data, der(set_of, signer * int(sys.argv[2])))
message = der(sequence, der(identifier, bytes.fromhex("2a864886f70d010702")), der(0xa0, signed))
with open(sys.argv[1], "ab") as file:
    file.write(message + bytes([0, 0, 2, 0, 0, 0, 0, 0]) + len(message).to_bytes(4, "big") + b"~Module signature appended~\n")
END
}

step "verify: a message with hundreds of signers needs no copy of the module for each"
make_root root 7.1.0 CONFIG_CRYPTO_MLDSA=y CONFIG_CRYPTO_SHA512=y
head -c 4000000 /dev/zero >content
objcopy --add-section .ksign_content=content "$samples/sample.ko" many.ko
sign_unknown many.ko 700
expect_exit 1 /usr/bin/time -o "$scratch/time" -f %M "$bin/ksign" verify --root root -k 7.1.0 ./many.ko
expect_in "$out" "signed by x "
peak=$(tail -n 1 "$scratch/time")
figure "verify, 700 signers: peak $((peak / 1024)) MiB"
((peak < 24576)) || fail "verify: peak of $peak KiB: $(<"$out")"

step "verify: no copy of the module for a signer whose key nobody has"
head -c 200000000 /dev/zero >content
objcopy --add-section .ksign_content=content "$samples/sample.ko" unknown.ko
sign_unknown unknown.ko 1
zstd -q -1 --rm unknown.ko -o unknown.ko.zst
rm content
expect_exit 1 /usr/bin/time -o "$scratch/time" -f %M "$bin/ksign" verify --root root -k 7.1.0 ./unknown.ko.zst
expect_in "$out" "signed by x "
peak=$(tail -n 1 "$scratch/time")
figure "verify, an unknown key: peak $((peak / 1024)) MiB"
((peak < bound[zst])) || fail "verify: peak of $peak KiB: $(<"$out")"

step "old signatures of a megabyte each: read a few times, with no more of its end in memory than they need"
python3 -IS - large.ko <<'END'
import sys

signature = b"\x30\x83" + (1000000).to_bytes(3, "big") + bytes(1000000)
with open(sys.argv[1], "ab") as file:
    file.write(3 * (signature + b"\0\0\2\0\0\0\0\0" + len(signature).to_bytes(4, "big") + b"~Module signature appended~\n"))
END
decompress m.ko | gzip -n -1 >one.ko
gzip -n -1 -c large.ko >three.ko
for name in one three; do
    expect_exit 0 /usr/bin/time -o "$scratch/$name" -f '%M %U' "$bin/ksign" show "$name.ko"
    figure "200 MB, $name: peak and seconds $(<"$scratch/$name")"
done
expect_in "$out" "  below it:"
read -r peak _ <"$scratch/three"
((peak < bound[gz] + 16384)) || fail "three.ko: peak of $peak KiB"
