# shellcheck shell=bash
#
# What scenarios of the executable are made of: keys, modules, programs that say
# what is right, and checks. Sourced by tests/tool/run; does nothing by itself.
#
# A scenario starts in an empty folder ($scratch/work), with
#   $bin      ksign, sign-file, post-build and sign-tool of the build folder
#   $keys     NAME.key (PEM), NAME.pem and NAME.der (its certificate), for each
#             NAME of make_keys; read only
#   $installed  what `meson install` puts on a system; read only
#   $samples  sample.ko (a module with debug information), other.ko; each also by
#             container as sample.plain, .xz, .zst, .gz; read only
# and with the names of $bin as commands.

tool_tests=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
project=$(cd "$tool_tests/../.." && pwd)
# shellcheck source=tests/scenario.sh
. "$project/tests/scenario.sh"

# A measurement that tests/tool/run shows beside the result.
figure() {
    printf 'FIGURE: %s\n' "$*"
}

step() {
    printf -- '-- %s\n' "$*"
}

# --- what all scenarios share -----------------------------------------------

# make_certificate NAME OPTIONS…: the certificate of $keys/NAME.key, in both forms.
make_certificate() {
    local name=$1
    shift
    openssl req -new -x509 -utf8 -sha256 -days 36500 -batch -config "$project/conf/x509.oot.genkey" \
        -subj "/O=ksign tests/CN=ksign test key $name" -key "$keys/$name.key" -out "$keys/$name.pem" "$@"
    openssl x509 -in "$keys/$name.pem" -outform DER -out "$keys/$name.der"
}

# make_keys: each is one that some scenario cannot do without.
make_keys() {
    mkdir "$keys"
    openssl genrsa -out "$keys/rsa2048.key" 2048
    openssl genrsa -out "$keys/rsa4096.key" 4096
    openssl genrsa -out "$keys/stranger.key" 2048
    openssl ecparam -genkey -name prime256v1 -noout -out "$keys/p256.key"
    openssl ecparam -genkey -name secp384r1 -noout -out "$keys/p384.key"
    openssl ecparam -genkey -name secp521r1 -noout -out "$keys/p521.key"
    # Types of keys that no kernel verifies modules with.
    openssl genpkey -algorithm ed25519 -out "$keys/ed25519.key"
    openssl ecparam -genkey -name secp256k1 -noout -out "$keys/secp256k1.key"
    local name
    for name in rsa2048 stranger p256 p384 p521 secp256k1; do
        make_certificate "$name"
    done
    # A serial number whose top bit is set has a zero byte before it.
    make_certificate rsa4096 -set_serial 0xF00DFACEC0FFEE
    openssl req -new -x509 -utf8 -days 36500 -batch -config "$project/conf/x509.oot.genkey" \
        -subj "/CN=ksign test key ed25519" -key "$keys/ed25519.key" -out "$keys/ed25519.pem"

    # Issued by another: the signature names the issuer, not the subject.
    openssl req -new -utf8 -batch -subj "/CN=ksign test key issued" -key "$keys/stranger.key" -out "$keys/issued.csr"
    openssl x509 -req -in "$keys/issued.csr" -CA "$keys/rsa2048.pem" -CAkey "$keys/rsa2048.key" -set_serial 77 \
        -days 36500 -out "$keys/issued.pem" -extfile "$project/conf/x509.oot.genkey" -extensions myexts
    cp "$keys/stranger.key" "$keys/issued.key"
    openssl x509 -in "$keys/issued.pem" -outform DER -out "$keys/issued.der"

    cat "$keys/rsa2048.key" "$keys/rsa2048.pem" >"$keys/both.pem"
    # The same key with a passphrase, in today's form and in OpenSSL's old one.
    openssl pkey -in "$keys/rsa2048.key" -aes256 -passout pass:correct -out "$keys/encrypted.key"
    openssl rsa -in "$keys/rsa2048.key" -aes256 -passout pass:correct -traditional -out "$keys/encrypted-old.key"
}

# make_samples: relocatable ELF files with what modinfo reads. Their code is none
# that a kernel would run; tests/dkms and tests/kernel have such.
make_samples() {
    local folder=$1 name container
    mkdir "$folder"
    for name in sample other; do
        cat >"$folder/$name.c" <<END
#define INFORMATION(name, text) \\
    static const char name[] __attribute__((section(".modinfo"), used, aligned(1))) = text
INFORMATION(license, "license=MIT");
INFORMATION(module_name, "name=$name");
INFORMATION(description, "description=A module for the tests of ksign");
INFORMATION(vermagic, "vermagic=0.0.0 SMP mod_unload ");
int init_module(void);
int init_module(void) { return sizeof(module_name); }
END
        "${CC:-cc}" -g -O1 -ffreestanding -fno-pic -c "$folder/$name.c" -o "$folder/$name.ko"
    done
    # Of a size that takes several reads, and that compresses neither to nothing nor not at all.
    { head -c 90000 "$(command -v openssl)" && head -c 30000 /dev/urandom; } >"$folder/table"
    objcopy --add-section .ksign_table="$folder/table" "$folder/sample.ko"
    rm "$folder"/*.c "$folder/table"
    for name in sample other; do
        for container in plain xz zst gz; do
            compress $container <"$folder/$name.ko" >"$folder/$name.$container"
        done
    done
}

# prepare_common BUILD COMMON: once for all scenarios of a run.
prepare_common() {
    local build=$1 common=$2 name
    keys=$common/keys
    # A copy in the same layout, which any user may run wherever the build is.
    mkdir -p "$common/bin" "$common/program/hook" "$common/program/libksign"
    cp "$build/hook/ksign" "$common/program/hook/"
    cp -a "$build/libksign/"libksign.so* "$common/program/libksign/"
    for name in ksign sign-file post-build sign-tool; do
        # Links, so that the executable finds its library from where it is.
        ln -s "$common/program/hook/ksign" "$common/bin/$name"
    done
    DESTDIR=$common/installed meson install -C "$build" --no-rebuild --quiet
    make_keys
    make_samples "$common/samples"
    chmod -R a-w "$common/samples"
    chmod 600 "$keys"/*.key "$keys/both.pem"
}

# enter_scratch COMMON SCRATCH: what the top of this file promises.
enter_scratch() {
    # shellcheck disable=SC2034 # scenarios read it
    installed=$1/installed
    bin=$1/bin keys=$1/keys samples=$1/samples scratch=$2
    mkdir -p "$scratch/work"
    cd "$scratch/work" || fail "no folder $scratch/work"
}

ksign() { "$bin/ksign" "$@"; }
sign-file() { "$bin/sign-file" "$@"; }
post-build() { "$bin/post-build" "$@"; }
sign-tool() { "$bin/sign-tool" "$@"; }

# The kernel's own signer. A scenario that compares with it can't do without.
reference-sign-file() {
    [[ -n ${reference-} ]] ||
        reference=$(compgen -G '/usr/lib/linux-kbuild-*/scripts/sign-file' | sort -V | tail -n 1) ||
        reference=$(compgen -G '/lib/modules/*/build/scripts/sign-file' | sort -V | tail -n 1) ||
        fail "the kernel's sign-file is not here; Debian has it in linux-kbuild-*, others in the kernel's headers"
    "$reference" "$@"
}

# --- modules ----------------------------------------------------------------

# new_module FILE [CONTAINER [SAMPLE]]: an unsigned module, compressed as the
# kernel's build system does it.
new_module() {
    local file=$1 container=${2:-plain} sample=${3:-sample}
    [[ $file != */* || -d ${file%/*} ]] || mkdir -p "${file%/*}"
    cat "$samples/$sample.$container" >"$file"
}

compress() {
    case $1 in
        plain) cat ;;
        xz) xz --check=crc32 --lzma2=dict=1MiB ;;
        zst) zstd -qc ;;
        gz) gzip -nc ;;
        *) fail "no such container: $1" ;;
    esac
}

# module_information FIELD FILE: modinfo's, for any container. Debian's kmod reads no gzip.
module_information() {
    decompress "$2" >"$scratch/modinfo.ko"
    modinfo -F "$1" "$scratch/modinfo.ko"
}

# trailer TYPE LENGTH [FIELD]: what ends a signed module (include/linux/module_signature.h).
# FIELD is the value of the first byte, zero in all modules.
trailer() {
    local type=$1 length=$2 field=${3:-0}
    # shellcheck disable=SC2059 # the octal escapes are the format
    printf "\\$(printf %o "$field")\\0\\$(printf %o "$type")\\0\\0\\0\\0\\0"
    # shellcheck disable=SC2059
    printf "$(printf '\\x%02x' $((length >> 24 & 255)) $((length >> 16 & 255)) $((length >> 8 & 255)) $((length & 255)))"
    printf '~Module signature appended~\n'
}

# --- running ----------------------------------------------------------------

# expect_exit STATUS COMMAND…: what it says is in $out and $err. It has neither
# terminal nor input: tests/tool/run sees to that.
expect_exit() {
    local wanted=$1 status=0
    shift
    out=$scratch/out err=$scratch/err
    "$@" >"$out" 2>"$err" || status=$?
    if ((status != wanted)); then
        cat "$out" "$err" >&2
        fail "ended with $status, not $wanted: $*"
    fi
}

# silently COMMAND…: it succeeds and says nothing.
silently() {
    expect_exit 0 "$@"
    [[ ! -s $out ]] || fail "wrote to standard output: $(<"$out"): $*"
    [[ ! -s $err ]] || fail "wrote to standard error: $(<"$err"): $*"
}

# usage_error TEXT COMMAND…: exit 2, with that text.
usage_error() {
    local text=$1
    shift
    expect_exit 2 "$@"
    [[ ! -s $out ]] || fail "a usage error on standard output: $(<"$out"): $*"
    expect_in "$err" "$text"
}

# These are in bash alone: scenarios call them by the hundred.
expect_in() {
    [[ $(<"$1") == *"$2"* ]] || fail "not said: $2, but: $(<"$1")"
}

expect_not_in() {
    [[ $(<"$1") != *"$2"* ]] || fail "said: $2: $(<"$1")"
}

# picture: all that can be told of what is below the current folder, but the time
# of access, and the times of folders: a temporary file that has come and gone changes those.
picture() {
    find . -type d -printf '%p %i %m %U:%G\n' -o -printf '%p %y %i %s %T@ %C@ %m %U:%G %n %l\n' | sort
    find . -type f -exec sha256sum {} + | sort
}

# no_change COMMAND…: it may print, but all below the current folder stays as it
# is, and nothing is added.
no_change() {
    picture >"$scratch/before"
    "$@"
    picture >"$scratch/after"
    cmp -s "$scratch/before" "$scratch/after" ||
        fail "changed something: $(diff "$scratch/before" "$scratch/after"): $*"
}

# refused SUBJECT CAUSE HINT COMMAND…: exit 1, one message "ksign: SUBJECT…CAUSE"
# with that hint ("" if there is to be none), and no file is touched: the old
# module is there, and nothing beside it.
refused() {
    local subject=$1 cause=$2 hint=$3
    shift 3
    no_change expect_exit 1 "$@"
    said "$subject" "$cause" "$hint"
}

# unchanged COMMAND…: it succeeds, and touches no file.
unchanged() {
    no_change expect_exit 0 "$@"
}

# said SUBJECT CAUSE HINT: the last command's standard error has such a message.
said() {
    local subject=$1 cause=$2 hint=$3 lines line found=
    mapfile -t lines <"$err"
    for line in "${lines[@]}"; do
        [[ $line != "ksign: $subject"*"$cause"* ]] || found=message
        [[ $found != message || -z $hint || $line != "  hint: "*"$hint"* ]] || found=hint
    done
    [[ -n $found ]] || fail "no message names $subject and says: $cause, but: $(<"$err")"
    if [[ -z $hint ]]; then
        expect_not_in "$err" "  hint: "
    else
        [[ $found == hint ]] || fail "not hinted: $hint, but: $(<"$err")"
    fi
}

# --- what is expected -------------------------------------------------------

# verify PAYLOAD SIGNATURE CERTIFICATE: by openssl alone. -nointern: with the
# certificate that we name; -noverify: no chain above it.
verify() {
    openssl cms -verify -binary -inform DER -in "$2" -content "$1" -nointern -noverify -certfile "$3" \
        -out /dev/null 2>"$scratch/verify.log"
}

# expect_signed FILE KEY HASH [ORIGINAL]: one signature, by that key of $keys and
# with this hash, right, on the bytes of the original (sample.ko if not given).
expect_signed() {
    local file=$1 key=$2 hash=$3 original=${4:-$samples/sample.ko} found
    [[ -f $file ]] || fail "$file does not exist"
    "$tool_tests/payload.py" split "$file" "$scratch/payload" "$scratch/signature" || fail "$file is not signed"
    cmp "$scratch/payload" "$original" || fail "$file: its payload is not that of $original (a second signature?)"
    verify "$scratch/payload" "$scratch/signature" "$keys/$key.pem" ||
        fail "$file: its signature is not right: $(<"$scratch/verify.log")"
    # With a byte flipped it must not be: openssl looked at the payload, then.
    cp "$scratch/payload" "$scratch/flipped"
    printf '\xff' | dd of="$scratch/flipped" bs=1 seek=777 conv=notrunc status=none
    ! verify "$scratch/flipped" "$scratch/signature" "$keys/$key.pem" || fail "openssl verifies whatever it is given"

    found=$(module_information sig_hashalgo "$file")
    [[ $found == "$hash" ]] || fail "$file: modinfo names the hash '$found', not $hash"
    found=$(module_information sig_key "$file")
    [[ "serial=${found//:/}" == "$(openssl x509 -in "$keys/$key.pem" -noout -serial)" ]] ||
        fail "$file: modinfo names the key '$found'"
}

expect_unsigned() {
    local found
    found=$(printf '%s\0' "$1" | "$tool_tests/payload.py" sums)
    [[ $found == *" 0 $1" ]] || fail "$1 is signed"
}

# expect_files FOLDER NAME…: these and no others.
expect_files() {
    local folder=$1 found
    shift
    found=$(cd "$folder" && find . -mindepth 1 -printf '%P\n' | sort)
    [[ $found == "$(printf '%s\n' "$@" | sort)" ]] || fail "in $folder: $found"
}

# json_value FILE EXPRESSION: prints what a Python expression makes of the document d.
json_value() {
    /usr/bin/python3 -c 'import json, sys; d = json.load(open(sys.argv[1], encoding="utf-8")); print(eval(sys.argv[2]))' "$1" "$2"
}

expect_json() {
    local found
    found=$(json_value "$out" "$1") || fail "no valid JSON: $(<"$out")"
    [[ $found == "$2" ]] || fail "JSON: $1 is $found, not $2: $(<"$out")"
}

# on_terminal ANSWER COMMAND…: with a terminal of its own; what it shows is in $shown.
on_terminal() {
    local answer=$1 status=0
    shift
    command -v script >/dev/null || fail "script(1) of util-linux is not installed"
    shown=$scratch/shown
    rm -f "$shown"
    # The answer comes once the question is there: what is typed before is thrown away.
    {
        trap '' PIPE # of a command that asks nothing and has ended
        for ((tenths = 0; tenths < 100; tenths++)); do
            ! grep -qs -e 'Passphrase or PIN' -e '^ksign: ' -e ': signed ' "$shown" || break
            sleep 0.1
        done
        echo "$answer" 2>/dev/null || true
        sleep 1
    } | script --quiet --return --flush --command "$*" "$shown" >/dev/null || status=$?
    return "$status"
}

# --- tokens -----------------------------------------------------------------

# make_token: a softhsm2 token in the scenario's own folder, with three keys of
# $keys; its PIN is 123456. uri NAME prints a key's name on it. $softhsm_module is
# the PKCS#11 module.
make_token() {
    local key id=0
    softhsm_module=$(compgen -G '/usr/lib/*/softhsm/libsofthsm2.so' || compgen -G '/usr/lib*/softhsm/libsofthsm2.so' ||
        compgen -G '/usr/lib*/libsofthsm2.so' || compgen -G '/usr/lib*/pkcs11/libsofthsm2.so') ||
        fail "softhsm2 is not installed"
    softhsm_module=$(head -n 1 <<<"$softhsm_module")
    export SOFTHSM2_CONF=$scratch/softhsm2.conf
    mkdir "$scratch/tokens"
    printf '%s\n' "directories.tokendir = $scratch/tokens" "objectstore.backend = file" "log.level = ERROR" \
        >"$SOFTHSM2_CONF"
    softhsm2-util --init-token --free --label ksign-test --pin 123456 --so-pin 654321
    for key in rsa2048 p384 stranger; do
        openssl pkcs8 -topk8 -nocrypt -in "$keys/$key.key" -out "$scratch/import.pem"
        softhsm2-util --import "$scratch/import.pem" --token ksign-test --label "$key" --id "0$((++id))" --pin 123456
    done
    pkcs11-tool --module "$softhsm_module" --token-label ksign-test --login --pin 123456 \
        --list-objects >"$scratch/objects"
    [[ $(grep -c '^Private Key Object' "$scratch/objects") == 3 ]] ||
        fail "the token has not its keys: $(<"$scratch/objects")"
}

# add_certificate NAME ID: puts the certificate of a key beside it.
add_certificate() {
    pkcs11-tool --module "$softhsm_module" --token-label ksign-test --login --pin 123456 \
        --write-object "$keys/$1.der" --type cert --label "$1" --id "$2"
}

uri() {
    echo "pkcs11:token=ksign-test;object=$1;type=private"
}

# --- a system in a folder ---------------------------------------------------

# use_nobody: sets as_nobody, which goes before a command, so that somebody who is not root runs it. That user gets at the
# executable and at the scenario's folder.
use_nobody() {
    local folder=$scratch
    ((EUID == 0)) || skip "only root can become another user"
    while [[ $folder == */*/* ]]; do
        chmod o+x "$folder"
        folder=$(dirname "$folder")
    done
    # shellcheck disable=SC2034 # scenarios read it
    as_nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups)
}

# make_root ROOT RELEASE [OPTION…]: a kernel with headers, as Debian lays them
# out, and the lines of its .config.
make_root() {
    local root=$1 release=$2
    shift 2
    build_folder=$root/usr/src/linux-headers-$release
    modules_folder=$root/lib/modules/$release
    mkdir -p "$modules_folder/kernel/drivers" "$modules_folder/updates/dkms" "$build_folder" "$root/var/lib/dkms" \
        "$root/etc/ksign"
    ln -s "/usr/src/linux-headers-$release" "$modules_folder/build"
    printf '%s\n' CONFIG_MODULE_SIG=y CONFIG_CRYPTO_RSA=y CONFIG_CRYPTO_SHA256=y CONFIG_CRYPTO_SHA512=y "$@" \
        >"$build_folder/.config"
}

# efi_variable FOLDER NAME [CERTIFICATE…]: the byte 1, or a list of certificates (EFI_SIGNATURE_LIST).
efi_variable() {
    python3 - "$@" <<'END'
import struct, sys, uuid
folder, name, *certificates = sys.argv[1:]
owner = {"db": "d719b2cb-3d3a-4596-a3bc-dad00e67656f", "dbx": "d719b2cb-3d3a-4596-a3bc-dad00e67656f",
         "SecureBoot": "8be4df61-93ca-11d2-aa0d-00e098032b8c", "SetupMode": "8be4df61-93ca-11d2-aa0d-00e098032b8c"}
x509 = uuid.UUID("a5c059a1-94e4-4aa7-87b5-ab155c2bf072").bytes_le
content = b"" if certificates else b"\1"
for certificate in certificates:
    der = open(certificate, "rb").read()
    content += x509 + struct.pack("<III", 28 + 16 + len(der), 0, 16 + len(der)) + bytes(16) + der
path = f"{folder}/{name}-" + owner.get(name, "605dab50-e046-4300-abb6-3dd810dd8b23")
open(path, "wb").write(struct.pack("<I", 6) + content)
END
}

# make_certs_local BUILD_FOLDER KEY [HASH]: keys as Arch-SKM lays them out.
make_certs_local() {
    local folder=$1/certs-local/20240101-1200
    mkdir -p "$folder"
    cp "$keys/$2.key" "$folder/signing_prv.pem"
    cp "$keys/$2.der" "$folder/signing_crt.crt"
    cat "$keys/$2.key" "$keys/$2.pem" >"$folder/signing_key.pem"
    chmod 600 "$folder/signing_key.pem"
    [[ -z ${3-} ]] || echo "$3" >"$folder/khash"
    ln -sfn 20240101-1200 "$1/certs-local/current"
}

# install_dkms ROOT RELEASE MODULE NAME [CONTAINER]: what `dkms install` leaves of
# a module NAME of the package MODULE.
install_dkms() {
    local root=$1 release=$2 package=$3 name=$4 container=${5:-plain} suffix=
    [[ $container == plain ]] || suffix=.$container
    local built=$root/var/lib/dkms/$package/1.0/$release/x86_64/module
    new_module "$built/$name.ko$suffix" "$container"
    mkdir -p "$root/lib/modules/$release/updates/dkms"
    cp "$built/$name.ko$suffix" "$root/lib/modules/$release/updates/dkms/"
    ln -sfn "1.0/$release/x86_64" "$root/var/lib/dkms/$package/kernel-$release-x86_64"
}

# --- kernels of Debian --------------------------------------------------------

# debian_kernel [SUITE]: Debian's newest kernel package of this machine's release, or of a suite such as
# bookworm-backports, unpacked in the cache of the tests. Sets $package, $package_count, how many modules the package
# lists, $package_modules, the folder of these (below lib up to Debian 12, below usr/lib since), $package_image and
# $package_config (in boot, or of Linux 7 beside the modules). The machine's own sources are not changed: a suite is
# looked at through lists of our own.
debian_kernel() {
    local suite=${1-} architecture cache=${XDG_CACHE_HOME:-$HOME/.cache}/ksign-tests mirror download deb
    local -a view=() parts
    architecture=$(dpkg --print-architecture)
    mkdir -p "$cache"
    if [[ -n $suite ]]; then
        # The newest that an earlier run has left will do: a suite is only asked where there is none.
        package=$(find "$cache" -maxdepth 1 -name "linux-image-*.$suite" -printf '%f\n' | sort -V | tail -n 1)
        package=${package%".$suite"}
        if [[ -z $package ]]; then
            mirror=$(sed -n 's/^URIs: *//p; s/^deb \(\[[^]]*\] \)\?\(http[^ ]*\).*/\2/p' /etc/apt/sources.list \
                /etc/apt/sources.list.d/* 2>/dev/null | sed -n 1p) || true # one of them may not exist
            [[ -n $mirror ]] || fail "no mirror is named in /etc/apt"
            mkdir -p "$scratch/apt/lists/partial" "$scratch/apt/cache/archives/partial"
            echo "deb $mirror $suite main" >"$scratch/apt/sources.list"
            view=(-o "Dir::Etc::SourceList=$scratch/apt/sources.list" -o Dir::Etc::SourceParts=/dev/null
                -o "Dir::State::Lists=$scratch/apt/lists" -o "Dir::Cache=$scratch/apt/cache")
            apt-get -qq "${view[@]}" -o APT::Sandbox::User=root update || fail "the lists of $suite can't be read"
        fi
    fi
    if [[ -z ${package-} ]]; then
        package=$(apt-cache "${view[@]}" depends --important "linux-image-$architecture" 2>/dev/null |
            sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | sed -n 1p)
    fi
    if [[ -z $package && -z $suite ]]; then
        # Without package lists: what an earlier run has left.
        package=$(basename "$(compgen -G "$cache/linux-image-[0-9]*" | grep -v '\.[a-z]*-backports$' | sort -V | tail -n 1)")
    fi
    [[ -n $package ]] || fail "apt knows no linux-image-$architecture (no package lists? apt-get update)"
    local unpacked=$cache/$package${suite:+.$suite}
    if [[ ! -d $unpacked ]]; then
        # Under another name until all is there: an interrupted run leaves nothing that counts.
        download=$(mktemp -d -p "$cache")
        (cd "$download" && apt-get "${view[@]}" -o APT::Sandbox::User=root download "$package") ||
            fail "$package can't be downloaded, and is not in $cache"
        # Of Linux 7, it is empty and depends on what holds the image, its configuration and the modules.
        mapfile -t parts < <(dpkg-deb --field "$download"/*.deb Depends | tr ',' '\n' |
            sed -n "s/^ *\(linux-[a-z]*-${package#linux-image-}\) .*/\1/p")
        ((${#parts[@]} == 0)) || (cd "$download" && apt-get "${view[@]}" -o APT::Sandbox::User=root download "${parts[@]}") ||
            fail "not all that $package depends on can be downloaded: ${parts[*]}"
        for deb in "$download"/*.deb; do
            dpkg -x "$deb" "$download/root"
        done
        # The count is the package's own, not that of what was unpacked.
        for deb in "$download"/*.deb; do
            dpkg-deb --contents "$deb"
        done | grep -cE '\.ko(\.xz|\.zst|\.gz)?$' >"$download/count"
        rm "$download"/*.deb
        mv -T "$download" "$unpacked"
    fi
    package_count=$(<"$unpacked/count")
    package_modules=$(compgen -G "$unpacked/root/lib/modules/*" || compgen -G "$unpacked/root/usr/lib/modules/*") ||
        fail "$package has no folder of modules"
    # shellcheck disable=SC2034 # for whoever calls this
    package_image=$(compgen -G "$unpacked/root/boot/vmlinuz-*" || compgen -G "$package_modules/vmlinuz") ||
        fail "$package has no image"
    # shellcheck disable=SC2034
    package_config=$(compgen -G "$unpacked/root/boot/config-*" || compgen -G "$package_modules/config") ||
        fail "$package has no configuration"
    ((package_count > 1000)) || fail "$package has $package_count modules only"
}
