# shellcheck shell=bash disable=SC2034,SC2154 # shares variables with tests/kernel/run
#
# How the modules of the cases are made: the words of the table's column "made". Sourced by tests/kernel/run; each works on
# the module $file of a case for the kernel $label, and may give it another name. A recipe is words separated by ";".

# --- what a recipe starts from: an unsigned probe, unless it says ---------------

unsigned() { :; }

# large: 60 MB, most of them debug information in a way: read and hashed, and not loaded.
large() {
    if [[ ! -e $work/$label/table ]]; then
        # Neither all alike nor all random: it has to compress, and not to nothing.
        { head -c 3M /dev/urandom && yes "$(head -c 600 /dev/urandom | base64 -w 0)" | head -c 57M; } >"$work/$label/table"
    fi
    objcopy --add-section .ksign_table="$work/$label/table" "$file"
}

# --- ksign, by every way into it ----------------------------------------------------

# ksign_as NAME ARGUMENT…: as DKMS and people call it, by its names. With OpenSSL 3.5 where Debian 12's 3.0 has no such
# algorithm: $with_newer.
ksign_as() {
    local name=$1
    shift
    if [[ -n ${with_newer-} ]]; then
        newer "$work/bin/$name" "$@"
    else
        "$work/bin/$name" "$@"
    fi
}

# Sets with_newer for what OpenSSL 3.0 can't do.
choose_openssl() {
    with_newer=
    case $1-$2 in
        mldsa* | p*-sha3-*) with_newer=yes ;;
    esac
}

# sign KEY HASH [OPTION…]: `ksign sign`.
sign() {
    local key=$1 hash=$2
    shift 2
    choose_openssl "$key" "$hash"
    ksign_as ksign sign --key "$keys/$key.key" --certificate "$keys/$key.pem" --hash "$hash" "$@" "$file"
}

# sign-repeatedly: ten times by turns, and last by a key that every kernel trusts.
sign-repeatedly() {
    local turn
    for turn in 1 2 3 4 5; do
        sign stranger sha256 && sign rsa4096 sha512 || return 1
    done
}

# sign-file KEY HASH
sign-file() {
    choose_openssl "$1" "$2"
    ksign_as sign-file "$2" "$keys/$1.key" "$keys/$1.der" "$file"
}

# own: with the key of the kernel's certs-local, found by ksign.
own() { ksign_as ksign sign -k "$release" "$file"; }

# sign-tool: as DKMS 2.8 calls it; the kernel's own key.
sign-tool() { ksign_as sign-tool "$release" "$file"; }

# post-build: as DKMS calls it, on a tree with a package; the kernel's own key.
post-build() {
    local module=$work/$label/dkms/probe/1.0/$release/x86_64/module
    rm -rf "$work/$label/dkms"
    mkdir -p "$module"
    cp "$file" "$module/"
    ksign_as post-build --dkms-tree "$work/$label/dkms" --module probe --module-version 1.0 -k "$release" --arch x86_64 ||
        return 1
    cp "$module/${file##*/}" "$file"
}

# level N: for what ksign compresses after this; only zstd has more than 9.
level() { printf 'level-%s = %s\n' gzip $(($1 > 9 ? 9 : $1)) xz $(($1 > 9 ? 9 : $1)) zstd "$1" >/etc/ksign/ksign.conf; }

# --- other signers ------------------------------------------------------------------

# kernel-sign KEY HASH: the kernel's own sign-file.
kernel-sign() {
    local program=$build/scripts/sign-file
    choose_openssl "$1" "$2"
    ${with_newer:+newer} "$program" "$2" "$keys/$1.key" "$keys/$1.pem" "$file"
}

# openssl-cms KEY HASH CERTIFICATE OPTION…: OpenSSL's own form of CMS, with a signing time, in an otherwise right trailer.
openssl-cms() {
    choose_openssl "$1" "$2"
    ${with_newer:+newer} openssl cms -sign -binary -md "$2" -signer "$3" -inkey "$keys/$1.key" "${@:4}" \
        -in "$file" -outform DER -out "$file.cms" || return 1
    append_signature "$file.cms"
}

# signed-attributes KEY HASH
signed-attributes() { openssl-cms "$1" "$2" "$keys/$1.pem" -nocerts -nosmimecap; }

# smime-capabilities KEY HASH: the same, as openssl makes it by itself.
smime-capabilities() { openssl-cms "$1" "$2" "$keys/$1.pem" -nocerts; }

# with-certificate KEY HASH: with the signer's certificate in it.
with-certificate() { openssl-cms "$1" "$2" "$keys/$1.pem" -nosmimecap; }

# with-expired-certificate KEY HASH: with one that was valid in January 2020 only.
with-expired-certificate() {
    newer openssl req -new -x509 -subj "/CN=ksign kernel test, expired" -not_before 20200101000000Z \
        -not_after 20200201000000Z -key "$keys/$1.key" -config "$project/conf/x509.oot.genkey" -out "$file.pem" || return 1
    openssl-cms "$1" "$2" "$file.pem" -nosmimecap
}

# append_signature CMS: with the trailer of include/linux/module_signature.h.
append_signature() {
    local size
    size=$(stat -c %s "$1")
    {
        cat "$file" "$1"
        printf '\0\0\2\0\0\0\0\0'
        # shellcheck disable=SC2059 # the escapes are the format
        printf "$(printf '\\x%02x' $((size >> 24 & 255)) $((size >> 16 & 255)) $((size >> 8 & 255)) $((size & 255)))"
        printf '~Module signature appended~\n'
    } >"$file.signed"
    mv "$file.signed" "$file"
}

# --- compression, by others than ksign ----------------------------------------------

# pack xz|zst|gz [LEVEL]: as the kernel's build system does it (scripts/Makefile.modinst).
pack() {
    case $1 in
        xz) xz --check=crc32 --lzma2="${2:+preset=$2,}dict=1MiB" "$file" ;;
        zst) zstd -q --rm "-${2:-3}" "$file" ;;
        gz) gzip -n "-${2:-6}" "$file" ;;
    esac || return 1
    file=$file.$1
}

# pack-crc64: xz's own default.
pack-crc64() { xz --check=crc64 "$file" && file=$file.xz; }

# pack-two-frames: two zstd frames after each other, which zstd(1) reads as one file.
pack-two-frames() {
    { head -c 2000 "$file" | zstd -qc && tail -c +2001 "$file" | zstd -qc; } >"$file.zst"
    rm "$file"
    file=$file.zst
}

# --- damage -------------------------------------------------------------------------

# flip payload|signature|length|type|marker: one bit.
flip() {
    local size at
    size=$(stat -c %s "$file")
    case $1 in
        # Where it harms nobody but the signature: in the module's description, if that can be read.
        payload) at=$({ grep -abo "What ksign's kernel tests load" "$file" || echo $((size / 4)); } | sed -n '1s/:.*//; 1p') ;;
        signature) at=$((size - 45)) ;; # the end of the CMS is the signature's value
        length) at=$((size - 29)) ;;
        type) at=$((size - 38)) ;;
        marker) at=$((size - 2)) ;;
    esac
    flip_at "$at"
}

# flip_at OFFSET
flip_at() {
    local byte
    byte=$(od -An -j "$1" -N 1 -tu1 "$file" | tr -d ' ')
    # shellcheck disable=SC2059 # the escape is the format
    printf "\\x$(printf %02x $((byte ^ 1)))" | dd of="$file" bs=1 seek="$1" conv=notrunc status=none
}

# cut N: the last N bytes.
cut_off() { truncate -s "-$1" "$file"; }

# stripped: as rpmbuild and packagers do it, after signing.
stripped() { strip --strip-debug "$file"; }

# --- putting it together --------------------------------------------------------------

# make_module RECIPE: plays it; $file is the module then. Its caller looks at the exit status, so errexit is off in all of
# this: each word says itself whether it went well.
make_module() {
    local step steps words
    rm -f /etc/ksign/ksign.conf
    IFS=';' read -ra steps <<<"$1"
    for step in "${steps[@]}"; do
        read -ra words <<<"$step"
        declare -F -- "${words[0]}" >/dev/null || fail "no such way to make a module: ${words[0]}"
        "${words[@]}" || return 1
    done
}
