# shellcheck shell=bash disable=SC2034,SC2154 # shares variables with tests/kernel/run
#
# The judges: builds them, or takes them from the cache. Sourced by tests/kernel/run; needs $cache, $keys, $here,
# fail, packages.sh and keys.sh.
#
#   6.1       Debian 12's source, in QEMU; xz
#   6.12      bookworm-backports' own kernel in QEMU with UEFI, whose db holds the certificates; xz
#   7.3       trixie-backports' source as User Mode Linux; zstd, ML-DSA
#   7.3-gzip  the same with gzip, and without ECDSA
#
# (7.3 is what this was written with; what trixie-backports has now, the first line of output tells.)

all_kernels=(6.1 6.12 7.3 7.3-gzip)

# The keys that a kernel trusts beside that of its certs-local; of 6.12, which nobody builds, the first is that.
trusted_keys_of() {
    case $1 in
        6.1) echo p384 rsa4096 rsa2048 p256 revoked ;;
        6.12) echo rsa4096 rsa2048 p256 p384 p521 ;;
        7.3) echo p384 rsa4096 rsa2048 p256 p521 mldsa44 mldsa65 mldsa87 revoked ;;
        7.3-gzip) echo rsa4096 rsa2048 p256 p384 mldsa65 revoked ;;
    esac
}

# Which files of kernels/ make up its configuration.
configs_of() {
    case $1 in
        6.1) echo common qemu 6.1 ;;
        7.3*) echo common uml "$1" ;;
    esac
}

machine_of() { [[ $1 == 7.3* ]] && echo um || echo x86_64; }

# configuration_of LABEL BUILD: what is given to kconfig.
configuration_of() {
    local name
    for name in $(configs_of "$1"); do
        sed "s#@TRUSTED@#$2/others.pem#; s#@REVOKED@#$keys/revoked.pem#" "$here/kernels/$name.config"
    done
}

# in_kernel LABEL BUILD TARGET…: make, in a kernel's build folder.
in_kernel() {
    local label=$1 build=$2
    shift 2
    make -s -C "$build" ARCH="$(machine_of "$label")" "$@"
}

# trust_own_key LABEL BUILD: as a user does it: a key of the kind that the configuration asks for, and the configuration
# names it, beside what it named before.
trust_own_key() {
    local label=$1 build=$2
    "$work/bin/ksign" keys generate --certs-local "$build/certs-local" --kernel-config "$build/.config" || return 1
    "$work/bin/ksign" config update --certs-local "$build/certs-local" "$build/.config" || return 1
    grep "^CONFIG_SYSTEM_TRUSTED_KEYS=\"$build/certs-local/" "$build/.config"
}

# configure_kernel LABEL SOURCE BUILD
configure_kernel() {
    local label=$1 source=$2 build=$3 folder=(-C "$2") key line
    for key in $(trusted_keys_of "$label"); do
        cat "$keys/$key.pem"
    done >"$build/others.pem"
    configuration_of "$label" "$build" >"$build/wanted.config"
    [[ $build == "$source" ]] || folder+=(O="$build")
    make -s "${folder[@]}" ARCH="$(machine_of "$label")" KCONFIG_ALLCONFIG="$build/wanted.config" allnoconfig || return 1
    # A second kernel's folder is a copy of the first one's.
    rm -rf "$build/certs-local"
    trust_own_key "$label" "$build" || return 1
    # What kconfig does not take, it drops without a word.
    while read -r line; do
        [[ $line != CONFIG_SYSTEM_TRUSTED_KEYS=* ]] || continue
        grep -qxF -- "$line" "$build/.config" && continue
        [[ $line == "# "*" is not set" ]] && ! grep -q "^${line:2:-11}=" "$build/.config" && continue
        echo "the configuration of $label does not hold: $line"
        return 1
    done < <(grep -E '^CONFIG_|^# CONFIG_.* is not set$' "$build/wanted.config")
}

# build_kernel LABEL SOURCE BUILD
build_kernel() {
    local label=$1 source=$2 build=$3
    configure_kernel "$label" "$source" "$build" || return 1
    # Warnings that nobody reads, and a kernel faster than these tests notice, take time. (Of a PC's, one file only links
    # where more is inlined.)
    local flags=(KCFLAGS="-w -O1" CFLAGS_signal.o=-Os)
    if [[ $(machine_of "$label") == um ]]; then
        in_kernel "$label" "$build" -j2 "${flags[@]}" linux modules || return 1
        ln -sf linux "$build/image"
    else
        in_kernel "$label" "$build" -j2 "${flags[@]}" bzImage modules || return 1
        ln -sf arch/x86/boot/bzImage "$build/image"
    fi
    # What the build made of its configuration still names the key.
    grep -q "^CONFIG_SYSTEM_TRUSTED_KEYS=\"$build/certs-local/" "$build/.config" || return 1
    in_kernel "$label" "$build" kernelrelease >"$build/release"
}

# build_probe LABEL BUILD: the module of the cases, unsigned. Debian's headers name the compiler of their own release, which a
# newer one does not have.
build_probe() {
    local label=$1 build=$2 compiler=()
    [[ $label != 6.12 ]] || command -v x86_64-linux-gnu-gcc-12 >/dev/null || compiler=(CC=gcc)
    rm -rf "$build/probe"
    cp -r "$here/probe" "$build/probe"
    in_kernel "$label" "$build" "${compiler[@]}" M="$build/probe" modules
}

# What decides how a kernel comes out.
identity_of() {
    local label=$1 name
    {
        echo "$(version_of "$(set_of "$label")") $keys $(trusted_keys_of "$label")"
        cat "$here"/probe/*
        declare -f trust_own_key configure_kernel build_kernel build_probe prune lay_out_key prepare_stock
        for name in $(configs_of "$label"); do
            cat "$here/kernels/$name.config"
        done
    } | sha256sum | cut -c 1-16
}

set_of() {
    case $1 in
        6.12) echo stock-6.12 ;;
        *) echo "source-${1%-gzip}" ;;
    esac
}

# build_folder LABEL: where a kernel's is, built or not.
build_folder() {
    if [[ $1 == 6.12 ]]; then
        compgen -G "$cache/stock-6.12-$(version_of stock-6.12)/usr/src/linux-headers-*-amd64"
    else
        echo "$cache/kernel-$1-$(version_of "$(set_of "$1")")-$(identity_of "$1")/build"
    fi
}

# What is left of the source and of the build serves modules, and is a fifth.
prune() {
    local source=$1
    shift
    find "$source"/{drivers,fs,net,mm,sound,security,crypto,block,io_uring,ipc,init,virt,samples,lib,kernel} -name '*.[cS]' -delete
    find "$@" -name '*.o' -not -path '*/scripts/*' -not -path '*/tools/*' -not -path '*/probe/*' -delete
    rm "$source/unpacked"
}

# use_compiler_cache: for what is started after it. tests/packages/abk.sh has the same source built by makepkg, with another
# configuration: most objects come out alike. ccache knows them by what the preprocessor prints, with its paths: both build in
# the source's own folder.
use_compiler_cache() {
    command -v ccache >/dev/null || return 0
    export CCACHE_DIR=$cache/ccache CCACHE_NOHASHDIR=1 CCACHE_SLOPPINESS=include_file_ctime,locale PATH=/usr/lib/ccache:$PATH
    mkdir -p "$CCACHE_DIR"
}

# built_kernels LABEL…: builds those of one source that are not there yet. A second one starts from a copy of the first,
# so that only what differs is compiled.
built_kernels() {
    local set source label build first="" made=()
    set=$(set_of "$1")
    source=$cache/$set-$(version_of "$set")
    if [[ $1 == 6.1 ]]; then
        source=$(build_folder 6.1)
        use_compiler_cache
    fi
    for label in "$@"; do
        build=$(build_folder "$label")
        [[ ! -e $build/complete ]] || continue
        rm -rf "$cache/kernel-$label-"[0-9]*
        mkdir -p "$(dirname "$build")"
        if [[ ! -e $source/unpacked ]]; then
            rm -rf "$cache/$set"-*
            unpack_source "$set" "$source"
        fi
        echo "building $label ($(packages_of "$set"))"
        if [[ -n $first ]]; then cp -a "$first" "$build"; else mkdir -p "$build"; fi
        # Where the exit status is looked at, errexit is off: each step says itself whether it went well.
        if ! { build_kernel "$label" "$source" "$build" && build_probe "$label" "$build"; } >"$build.log" 2>&1; then
            tail -n 40 "$build.log"
            fail "$label does not build"
        fi
        first=$build made+=("$build")
    done
    ((${#made[@]} > 0)) || return 0
    prune "$source" "${made[@]}"
    for build in "${made[@]}"; do
        touch "$build/complete"
    done
}

# prepare_stock: the unmodified kernel needs its headers made to work where they are, and firmware that holds our
# certificates.
prepare_stock() {
    local root build key arguments=()
    root=$(unpacked stock-6.12)
    build=$(build_folder 6.12)
    [[ $(cat "$build/complete" 2>/dev/null) != "$(identity_of 6.12)" ]] || return 0
    echo "preparing 6.12 ($(packages_of stock-6.12 | sed 's/ .*//'))"
    sed -i "s#^include /usr/src/#include $root/usr/src/#" "$build/Makefile"
    basename "$(compgen -G "$root/boot/vmlinuz-*")" | sed 's/^vmlinuz-//' >"$build/release"
    ln -sf "$root/boot/vmlinuz-$(<"$build/release")" "$build/image"
    key=$(trusted_keys_of 6.12)
    lay_out_key "$build" "${key%% *}"
    for key in $(trusted_keys_of 6.12); do
        arguments+=(--add-db 6b736967-6e00-4000-8000-000000000001 "$keys/$key.pem")
    done
    PYTHONPATH=$root/usr/lib/python3/dist-packages /usr/bin/python3 "$root/usr/bin/virt-fw-vars" \
        -i "$root/usr/share/OVMF/OVMF_VARS_4M.fd" -o "$build/firmware.fd" "${arguments[@]}" >"$build/firmware.log" 2>&1 ||
        { cat "$build/firmware.log" && fail "the firmware does not take the certificates"; }
    build_probe 6.12 "$build" >"$build/probe.log" 2>&1 || { cat "$build/probe.log" && fail "the probe does not build for 6.12"; }
    identity_of 6.12 >"$build/complete"
}
