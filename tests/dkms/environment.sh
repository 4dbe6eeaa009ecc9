# shellcheck shell=bash
#
# What DKMS scenarios are made of: a machine that forgets, a kernel with keys,
# DKMS packages, and checks of the modules that come out. Sourced by
# tests/dkms/run for each scenario and by packaging/quickstart; does nothing by
# itself. All names of files and releases are free of spaces.
#
# tests/dkms/run sets: kernel (the release that scenarios build for), scratch (a
# folder of the scenario's own) and plain_module (a module built without ksign).

: "${kernel=}" "${scratch=}" "${plain_module=}"

ksign_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
sample_source=$ksign_root/tests/data/sample-dkms
# shellcheck source=tests/scenario.sh
. "$ksign_root/tests/scenario.sh"

# --- a machine that forgets -------------------------------------------------

# use_sandbox FOLDER: where overlays keep what is written; in a private mount
# namespace only.
use_sandbox() {
    sandbox=$1
    mount -t tmpfs -o mode=0755 ksign-sandbox "$sandbox"
}

# overlay FOLDER SCRATCH LOWER: what is written below FOLDER goes to SCRATCH.
overlay() {
    mkdir -p "$2/upper" "$2/work"
    mount -t overlay -o "lowerdir=$3,upperdir=$2/upper,workdir=$2/work" ksign-overlay "$1"
}

# cover FOLDER [LAYER]: from here on, what is written below FOLDER vanishes with
# the namespace. LAYER is a folder whose content shows on top of FOLDER's own.
cover() {
    local folder=$1 lower=${2:+$2:}$1 scratch nested aside number=0
    [[ -d $folder ]] || return 0
    scratch=$(mktemp -d -p "$sandbox")
    # Mounts below FOLDER would be hidden by the overlay. Containers have some,
    # /etc/resolv.conf or /lib/modules for instance.
    local -A kept=()
    while read -r nested; do
        [[ $nested == "$folder"/* ]] || continue
        aside=$scratch/nested.$((++number))
        if [[ -d $nested ]]; then mkdir "$aside"; else touch "$aside"; fi
        mount --bind "$nested" "$aside"
        kept[$nested]=$aside
    done < <(findmnt --raw --noheadings --output TARGET)
    overlay "$folder" "$scratch" "$lower"
    ((number > 0)) || return 0
    while read -r nested; do
        aside=${kept[$nested]}
        if [[ -d $nested ]]; then
            overlay "$nested" "$aside.scratch" "$aside"
        else
            mount --bind "$aside" "$nested"
        fi
    done < <(printf '%s\n' "${!kept[@]}" | sort)
}

# cover_machine [LAYER]: all that installing ksign and running DKMS writes to.
cover_machine() {
    local layer=${1-}
    cover /usr "${layer:+$layer/usr}"
    cover /etc "${layer:+$layer/etc}"
    cover /var/lib
    # Without a merged /usr, modules and libraries are not below /usr.
    [[ /lib -ef /usr/lib ]] || cover /lib
}

# --- kernels and their keys -------------------------------------------------

# Prints the newest release whose headers are installed.
newest_kernel() {
    local build release newest=
    while read -r release; do
        build=/lib/modules/$release/build
        # Fedora's headers come without a folder below /lib/modules.
        [[ -d $build/include || -d /usr/src/kernels/$release/include ]] && newest=$release
    done < <(
        for build in /lib/modules/*/build /usr/src/kernels/*; do
            case $build in
                *\**) ;;
                */build) basename "$(dirname "$build")" ;;
                *) basename "$build" ;;
            esac
        done | sort -uV
    )
    [[ -n $newest ]] || fail "no kernel headers are installed (neither /lib/modules/*/build nor /usr/src/kernels/*)"
    echo "$newest"
}

# kernel_config RELEASE OPTION: prints its value without quotes, nothing if unset.
kernel_config() {
    sed -n "s/^$2=\"\{0,1\}\([^\"]*\)\"\{0,1\}\$/\1/p" "/lib/modules/$1/build/.config"
}

# The digest with which modules of this kernel are to be signed.
kernel_hash() {
    local hash
    hash=$(kernel_config "$1" CONFIG_MODULE_SIG_HASH)
    echo "${hash:-sha512}"
}

# The type of key whose signatures this kernel can check.
kernel_key_type() {
    case $(kernel_config "$1" CONFIG_CRYPTO_ECDSA) in
        y | m) echo ec ;;
        *) echo rsa ;;
    esac
}

# make_certs_local RELEASE [TYPE [PASSPHRASE]]: a new key folder as Arch-SKM lays
# it out, and the link "current" to it. Sets key_folder.
make_certs_local() {
    local release=$1 type=${2-} passphrase=${3-}
    local certs stamp crypto=() encryption=(-nodes)
    [[ -n $type ]] || type=$(kernel_key_type "$release")
    case $type in
        rsa) crypto=(-newkey rsa:4096) ;;
        ec) crypto=(-newkey ec -pkeyopt ec_paramgen_curve:secp384r1) ;;
        *) fail "no such type of key: $type" ;;
    esac
    [[ -z $passphrase ]] || encryption=(-passout "pass:$passphrase")
    certs=$(readlink -f "/lib/modules/$release/build")/certs-local
    stamp=$(date +%Y%m%d-%H%M)
    key_folder=$certs/$stamp
    mkdir -p "$key_folder"
    (
        umask 077
        cd "$key_folder"
        openssl req -new -x509 -utf8 -sha512 -days 36500 -batch "${encryption[@]}" \
            -config /etc/ksign/x509.oot.genkey "${crypto[@]}" \
            -keyout signing_prv.pem -out signing_crt.pem 2>openssl.log ||
            { cat openssl.log >&2 && exit 1; }
        cat signing_prv.pem signing_crt.pem >signing_key.pem
        openssl x509 -in signing_crt.pem -outform DER -out signing_crt.crt
        rm signing_crt.pem openssl.log
        echo "$type" >ktype
        kernel_hash "$release" >khash
    ) || fail "openssl could not make a key in $key_folder"
    chmod 755 "$key_folder"
    chmod 644 "$key_folder"/{signing_crt.crt,khash,ktype}
    ln -sfn "$stamp" "$certs/current"
}

# Prints the path of a kernel's certificate.
certificate_of() {
    echo "/lib/modules/$1/build/certs-local/current/signing_crt.crt"
}

# plain_kernel RELEASE: leaves the kernel's tree no module that is compressed, so
# that DKMS compresses nothing: up to 3.0 it looks into modules.dep, later for files.
plain_kernel() {
    local modules=/lib/modules/$1
    [[ -d $modules ]] || return 0
    find "$modules/" -name '*.ko.*' -type f -delete
    [[ ! -e $modules/modules.dep ]] || sed -i '/\.ko\.[a-z]*:/d' "$modules/modules.dep"
}

# compressed_kernel RELEASE SUFFIX: gives the kernel's tree a module that is
# compressed, and none compressed otherwise, which makes DKMS compress so what it
# builds.
compressed_kernel() {
    local release=$1 suffix=$2
    local modules=/lib/modules/$release name=ksign_compressed_dummy
    plain_kernel "$release"
    mkdir -p "$modules/kernel"
    cp "$plain_module" "$modules/kernel/$name.ko"
    case $suffix in
        xz) xz --check=crc32 --lzma2=dict=1MiB "$modules/kernel/$name.ko" ;;
        zst) zstd -q --rm "$modules/kernel/$name.ko" ;;
        gz) gzip "$modules/kernel/$name.ko" ;;
    esac
    # By hand, as a depmod without that compression leaves it out.
    echo "kernel/$name.ko.$suffix:" >>"$modules/modules.dep"
}

# --- DKMS and its packages --------------------------------------------------

# add_sample [NAME]: puts the sample's source in place, as package NAME (version 1.0).
add_sample() {
    local name=${1:-ksign-sample}
    local folder=/usr/src/$name-1.0
    rm -rf "$folder"
    mkdir "$folder"
    cp "$sample_source"/* "$folder"
    sed -i "s/^PACKAGE_NAME=.*/PACKAGE_NAME=\"$name\"/" "$folder/dkms.conf"
}

# own_post_build NAME COMMAND: gives the package a POST_BUILD; the script is read
# from standard input.
own_post_build() {
    local folder=/usr/src/$1-1.0
    cat >"$folder/${2%% *}"
    chmod 755 "$folder/${2%% *}"
    echo "POST_BUILD=\"$2\"" >>"$folder/dkms.conf"
}

# link_post_build NAME…: has ksign called as POST_BUILD of these packages.
link_post_build() {
    local name
    for name in "$@"; do
        ln -s kernel-sign.conf "/etc/dkms/$name.conf"
    done
}

# link_framework: has ksign called in place of sign-file.
link_framework() {
    mkdir -p /etc/dkms/framework.conf.d
    ln -s ../../ksign/dkms-framework.conf /etc/dkms/framework.conf.d/ksign.conf
}

# set_ksign_conf KEY VALUE: sets one of ksign.conf's keys.
set_ksign_conf() {
    grep -q "^#\{0,1\}$1 =" /etc/ksign/ksign.conf || fail "ksign.conf has no key $1"
    sed -i "s|^#\{0,1\}$1 =.*|$1 = $2|" /etc/ksign/ksign.conf
}

# use_dkms SUITE: replaces the machine's DKMS by that of a Debian suite. The
# package is kept for a week in the cache folder. Sets dkms_version.
use_dkms() {
    local suite=$1 cache fresh
    cache=${XDG_CACHE_HOME:-$HOME/.cache}/ksign-tests/dkms-$suite
    if [[ -z $(find "$cache" -maxdepth 1 -name root -mtime -7 2>/dev/null) ]]; then
        grep -q '^ID=debian$' /etc/os-release || skip "other versions of DKMS are taken from Debian's mirrors, this is no Debian"
        # shellcheck source=tests/debian_archive.sh
        . "$ksign_root/tests/debian_archive.sh"
        fresh=$scratch/dkms-$suite
        mkdir -p "$fresh/root"
        make_private_apt "$fresh" "$suite" || fail "no package lists of Debian $suite"
        (cd "$fresh" && private_apt "$fresh" apt-get download "dkms/$suite") || fail "no DKMS package of Debian $suite"
        dpkg -x "$fresh"/dkms_*.deb "$fresh/root"
        touch "$fresh/root"
        rm -rf "$cache"
        mkdir -p "$cache"
        mv "$fresh/root" "$cache"
    fi
    cp -a "$cache/root/usr/." /usr/
    dkms_version=$(dkms --version | sed 's/^dkms[-: ]*//')
    echo "DKMS of Debian $suite: $dkms_version"
}

# dkms_at_least VERSION: whether the DKMS in place is of that version, or newer.
dkms_at_least() {
    printf '%s\n' "$1" "$(dkms --version | sed 's/^dkms[-: ]*//')" | sort --version-sort --check=quiet
}

# dkms_says FILE COMMAND…: runs dkms, shows what it says and keeps it in FILE. Its
# exit status says nothing about signatures, so only the caller can judge it.
dkms_says() {
    local file=$1 status=0
    shift
    echo "+ dkms $*"
    dkms "$@" >"$file" 2>&1 </dev/null || status=$?
    cat "$file"
    return "$status"
}

# dkms_build_with STATUS NAME [RELEASE]: adds the package if it is not yet and builds
# it; dkms has to end so. What was said is in $said, by DKMS and by what it called:
# newer ones have what POST_BUILD says in make.log only, which is saved with the
# modules if all went well and else left in the build folder.
dkms_build_with() {
    local wanted=$1 name=$2 release=${3:-$kernel} status=0 log
    said=$scratch/$name-$release.said
    dkms_says "$said" build -m "$name" -v 1.0 -k "$release" || status=$?
    ((status == wanted)) || fail "dkms build $name for $release ended with $status, not $wanted"
    log=$(find "/var/lib/dkms/$name/1.0" -name make.log \( -path "*/1.0/$release/*" -o -path '*/1.0/build/*' \))
    [[ -f $log ]] || fail "DKMS left no make.log of $name (or more than one): $log"
    cat "$log" >>"$said"
}

# dkms_build NAME [RELEASE]: the same, with success.
dkms_build() {
    dkms_build_with 0 "$@"
}

# dkms_build_refused STATUS NAME [RELEASE]: the same, where POST_BUILD ends with that
# status: DKMS takes no notice of it up to 3.1.5, and ends so from 3.1.6 on.
dkms_build_refused() {
    if dkms_at_least 3.1.6; then
        dkms_build_with "$@"
    else
        dkms_build_with 0 "${@:2}"
    fi
}

# built NAME MODULE [RELEASE]: prints the path of the one file that DKMS built.
built() {
    local name=$1 module=$2 release=${3:-$kernel} files
    files=$(find "/var/lib/dkms/$name/1.0/$release" -path "*/module/$module.ko*")
    [[ -f $files ]] || fail "DKMS built no $module (or more than one) for $name: $files"
    echo "$files"
}

# --- what is expected -------------------------------------------------------

expect_said() {
    grep -qF -- "$2" "$1" || fail "not said: $2"
}

expect_not_said() {
    ! grep -qF -- "$2" "$1" || fail "said: $2"
}

# expect_said_signed FILE…: the last dkms_build's POST_BUILD did, and signed anew only
# what DKMS had signed already, with a key of its own making.
expect_said_signed() {
    local file how=signed
    [[ ! -e /var/lib/dkms/mok.pub ]] || how="signed again"
    for file in "$@"; do
        expect_said "$said" "$file: $how ("
    done
}

# times_said FILE TEXT: prints how many lines begin with TEXT.
times_said() {
    awk -v text="$2" 'index($0, text) == 1 { ++count } END { print count + 0 }' "$1"
}

has_signature() {
    [[ $(tail -c 28 "$1" | tr -d '\0') == "~Module signature appended~" ]]
}

# is_whole FILE: readelf has nothing to say against it. Its exit status is 0 even
# for a file cut short.
is_whole() {
    [[ -z $(readelf -h -S -s -W "$1" 2>&1 >/dev/null) ]]
}

# module_information FIELD FILE: modinfo of a plain file.
module_information() {
    modinfo -F "$1" "$2"
}

# expect_signed FILE CERTIFICATE HASH: one signature, by this key and with this
# hash, right, in a whole module.
expect_signed() {
    local file=$1 certificate=$2 hash=$3
    local work plain length size serial found
    [[ -f $file ]] || fail "$file does not exist"
    work=$(mktemp -d)
    plain=$work/module.ko
    decompress "$file" >"$plain"
    has_signature "$plain" || fail "$file is not signed"

    # 12 bytes of struct module_signature, ending with the length (big endian),
    # then 28 of marker (include/linux/module_signature.h).
    size=$(stat -c %s "$plain")
    length=$(tail -c 32 "$plain" | od -An -N4 -tu4 --endian=big | tr -d ' ')
    ((length + 40 < size)) || fail "$file: its signature is longer than the file"
    head -c $((size - 40 - length)) "$plain" >"$work/payload"
    head -c $((size - 40)) "$plain" | tail -c "$length" >"$work/cms"
    ! has_signature "$work/payload" || fail "$file carries a second signature below the first"
    is_whole "$work/payload" || fail "$file is no whole ELF file"

    openssl x509 -inform DER -in "$certificate" -out "$work/certificate.pem" 2>"$work/log" ||
        fail "$certificate: $(cat "$work/log")"
    # -nointern: only with the key that we name; -noverify: no chain above it.
    openssl cms -verify -binary -inform DER -in "$work/cms" -content "$work/payload" -nointern -noverify \
        -certfile "$work/certificate.pem" -out /dev/null 2>"$work/log" ||
        fail "$file: its signature is not right: $(cat "$work/log")"

    found=$(module_information signer "$plain")
    [[ "CN = $found" == "$(openssl x509 -in "$work/certificate.pem" -noout -subject -nameopt multiline |
        sed -n 's/^ *commonName *= */CN = /p')" ]] || fail "$file: modinfo names the signer '$found'"
    serial=$(openssl x509 -in "$work/certificate.pem" -noout -serial)
    found=$(module_information sig_key "$plain")
    [[ "serial=${found//:/}" == "$serial" ]] || fail "$file: modinfo names the key '$found', not $serial"
    found=$(module_information sig_hashalgo "$plain")
    [[ $found == "$hash" ]] || fail "$file: modinfo names the hash '$found', not $hash"
    rm -rf "$work"
}

# expect_signed_for RELEASE FILE…: signed as that kernel wants it.
expect_signed_for() {
    local release=$1 file
    shift
    for file in "$@"; do
        expect_signed "$file" "$(certificate_of "$release")" "$(kernel_hash "$release")"
    done
}

expect_unsigned() {
    local plain
    plain=$(mktemp)
    decompress "$1" >"$plain"
    is_whole "$plain" || fail "$1 is no whole ELF file"
    ! has_signature "$plain" || fail "$1 is signed, by '$(module_information signer "$plain")'"
    rm "$plain"
}

# expect_debug_information yes|no FILE
expect_debug_information() {
    local plain sections found=no
    plain=$(mktemp)
    decompress "$2" >"$plain"
    sections=$(readelf -S -W "$plain")
    [[ $sections != *" .debug_info "* ]] || found=yes
    [[ $found == "$1" ]] || fail "$2: debug information: $found instead of $1"
    rm "$plain"
}

# expect_no_new_key: neither DKMS nor ksign made one as a side effect.
expect_no_new_key() {
    local folders=(/var/lib/dkms /etc/ksign "$PWD" "/lib/modules/$kernel/build/") found
    [[ ! -d /var/lib/shim-signed ]] || folders+=(/var/lib/shim-signed)
    found=$(find "${folders[@]}" -iname 'mok.*' -o -name '*pkcs11:*' -o -name certs-local)
    [[ -z $found ]] || fail "a key was made: $found"
}

# --- scenes that several scenarios share ------------------------------------

# play_post_build_of_newer_dkms STATUS: with a DKMS from 3.1.6 on, where what
# POST_BUILD says goes to make.log and its exit status becomes that of dkms. STATUS
# is that of the package's own POST_BUILD.
play_post_build_of_newer_dkms() {
    local wanted=$1 status=0 log module file
    echo "-- POST_BUILD, ending with $wanted"
    make_certs_local "$kernel"
    compressed_kernel "$kernel" xz
    add_sample ksign-sample
    own_post_build ksign-sample own-script.sh <<END
#!/bin/bash
echo "\$PWD" >"$scratch/own-script"
exit $wanted
END
    link_post_build ksign-sample
    dkms_says said.post-build build -m ksign-sample -v 1.0 -k "$kernel" || status=$?
    ((status == wanted)) || fail "dkms build ended with $status, not with its script's $wanted"
    [[ $(<own-script) == /var/lib/dkms/ksign-sample/1.0/build ]] || fail "the package's own script ran in $(<own-script)"
    # Saved with the modules only if all went well.
    log=$(find /var/lib/dkms/ksign-sample/1.0 -name make.log)
    for module in ksign_sample_one ksign_sample_two; do
        file=$(built ksign-sample "$module")
        expect_signed_for "$kernel" "$file"
        expect_loadable "$file" xz
        expect_said "$log" "$file: signed"
    done
    dkms_says said.remove remove -m ksign-sample -v 1.0 --all
    rm /etc/dkms/ksign-sample.conf
    # DKMS has signed first, with a key of its own making.
    rm -f /var/lib/dkms/mok.*
}

# play_native_of_newer_dkms: the same with ksign in place of sign-file.
play_native_of_newer_dkms() {
    local module
    echo "-- native"
    link_framework
    add_sample ksign-sample
    dkms_build ksign-sample
    for module in ksign_sample_one ksign_sample_two; do
        expect_signed_for "$kernel" "$(built ksign-sample "$module")"
        # These have taken over the kernel's own parameters of xz.
        expect_loadable "$(built ksign-sample "$module")" xz
    done
    dkms_says said.remove remove -m ksign-sample -v 1.0 --all
}
