# shellcheck shell=bash
#
# What the scenarios of tests/tool and tests/dkms have in common: how one ends, and
# whether a compressed module has the form that kernel and kmod read. Sourced by
# their environment.sh.

# Ends the scenario; the message is its reason.
fail() {
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}

# Ends the scenario as one that cannot be played here.
skip() {
    printf 'SKIPPED: %s\n' "$*" >&2
    exit 77
}

# container_of FILE: prints xz, zst, gz or plain, by the first bytes.
container_of() {
    case $(od -An -N6 -tx1 "$1" | tr -d ' ') in
        fd377a585a00) echo xz ;;
        28b52ffd*) echo zst ;;
        1f8b*) echo gz ;;
        7f454c46*) echo plain ;;
        *) echo unknown ;;
    esac
}

decompress() {
    case $(container_of "$1") in
        xz) xz -dc <"$1" ;;
        zst) zstd -qdc <"$1" ;;
        gz) gzip -dc <"$1" ;;
        plain) cat "$1" ;;
        *) fail "$1 is neither an ELF file nor in a known container" ;;
    esac
}

# expect_loadable FILE CONTAINER: in this container, and in the form that kernel
# and kmod both read.
expect_loadable() {
    local file=$1 container=$2 found copy
    found=$(container_of "$file")
    [[ $found == "$container" ]] || fail "$file is in container $found, not $container"
    case $container in
        xz)
            # One stream, its check CRC32 (lib/xz of the kernel knows no other),
            # the dictionary that kbuild uses and no filter beside LZMA2.
            copy=$(mktemp --suffix=.xz) # xz goes by names
            cp "$file" "$copy"
            found=$(xz --robot -lvv "$copy")
            rm "$copy"
            [[ $(awk '$1 == "file" { print $2, $7 }' <<<"$found") == "1 CRC32" ]] || fail "$file: $found"
            [[ $(awk '$1 == "block" { print $NF }' <<<"$found" | sort -u) == "--lzma2=dict=1MiB" ]] ||
                fail "$file: filters: $found"
            ;;
        zst)
            # kmod sizes its buffer by the frame's content size.
            copy=$(mktemp --suffix=.zst)
            cp "$file" "$copy"
            found=$(zstd -lv "$copy" 2>&1)
            rm "$copy"
            grep -q '^# Zstandard Frames: 1$' <<<"$found" || fail "$file: not one frame: $found"
            grep -q '^Decompressed Size: ' <<<"$found" || fail "$file: no content size: $found"
            grep -q '^Check: XXH64' <<<"$found" || fail "$file: no checksum: $found"
            ;;
        gz)
            # The kernel skips no header field but a name, and reads one member.
            found=$(od -An -j3 -N1 -tu1 "$file" | tr -d ' ')
            ((found == 0 || found == 8)) || fail "$file: header flags $found"
            found=$(tail -c 4 "$file" | od -An -tu4 --endian=little | tr -d ' ')
            [[ $found == "$(gzip -dc <"$file" | wc -c)" ]] || fail "$file: more than one member"
            ;;
    esac
}
