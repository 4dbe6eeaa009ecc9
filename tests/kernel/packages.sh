# shellcheck shell=bash disable=SC2034,SC2154 # shares variables with tests/kernel/run
#
# Packages of several Debian suites, unpacked into the cache: kernels and their sources, and the libraries of a newer
# Debian. Nothing is installed. Sourced by tests/kernel/run; needs $cache, fail and tests/debian_archive.sh.

# package_version PACKAGE SUITE
package_version() {
    private_apt "$cache/apt" apt-cache show "$1/$2" | sed -n 's/^Version: //p' | sed -n 1p
}

# dependency_of PACKAGE SUITE PREFIX: what a package without content stands for.
dependency_of() {
    private_apt "$cache/apt" apt-cache show "$1/$2" | sed -n "s/^Depends: \($3[^ ,]*\).*/\1/p" | sed -n 1p
}

# List a set: a name, then its packages, each with its suite.
source_set() { echo "$1" "$(dependency_of linux-source "$2" linux-source-)/$2"; }

stock_set() {
    local suite=bookworm-backports image version
    image=$(dependency_of linux-image-amd64 "$suite" linux-image-)
    version=${image#linux-image-}
    echo stock-6.12 {"$image","linux-headers-$version","linux-headers-${version%-amd64}-common"}/"$suite" \
        "linux-kbuild-${version%-amd64}/$suite" ovmf/bookworm python3-virt-firmware/"$suite" python3-pefile/bookworm
}

# What a program of Debian 12 needs to run with Debian 13's OpenSSL, and Debian 13's kmod.
trixie_set() {
    echo trixie {libc6,libssl3t64,openssl,openssl-provider-legacy,zlib1g,libzstd1,liblzma5,libstdc++6,libgcc-s1}/trixie \
        {kmod,libkmod2}/trixie
}

# write_package_list: what to fetch, with versions; a line "SET PACKAGE=VERSION…" each. Once a week, as it asks the
# archive.
write_package_list() {
    [[ -z $(find "$cache/packages" -mtime -7 2>/dev/null) ]] || return 0
    echo "asking Debian's archive"
    local name packages package version
    rm -rf "$cache/apt"
    make_private_apt "$cache/apt" bookworm bookworm-backports trixie trixie-backports || fail "Debian's archive is out of reach"
    { source_set source-6.1 bookworm && source_set source-7.3 trixie-backports && stock_set && trixie_set; } |
        while read -r name packages; do
            printf '%s' "$name"
            for package in $packages; do
                version=$(package_version "${package%/*}" "${package#*/}")
                [[ -n $version ]] || fail "Debian has no package $package"
                printf ' %s=%s' "${package%/*}" "$version"
            done
            echo
        done >"$cache/packages.new"
    (($(wc -l <"$cache/packages.new") == 4)) || fail "not all packages were found"
    mv "$cache/packages.new" "$cache/packages"
}

# packages_of SET: prints them.
packages_of() { sed -n "s/^$1 //p" "$cache/packages"; }

# version_of SET: the version of its first package, as part of a file's name.
version_of() { packages_of "$1" | sed 's/^[^=]*=//; s/ .*//; s/[^A-Za-z0-9.+~-]/_/g'; }

# download SET FOLDER
download() {
    [[ -d $cache/apt ]] || fail "no package lists; remove $cache/packages"
    # The names have no spaces: each is one word.
    # shellcheck disable=SC2046
    (cd "$2" && private_apt "$cache/apt" apt-get download $(packages_of "$1")) || fail "could not download: $(packages_of "$1")"
}

# unpacked SET: prints the folder with the content of a set's packages.
unpacked() {
    local set=$1 folder package
    folder=$cache/$set-$(version_of "$set")
    if [[ ! -e $folder/complete ]]; then
        echo "downloading $set" >&2
        rm -rf "$cache/$set"-*
        mkdir -p "$folder/packages"
        download "$set" "$folder/packages"
        for package in "$folder"/packages/*.deb; do
            dpkg -x "$package" "$folder"
        done
        rm -r "$folder/packages"
        touch "$folder/complete"
    fi
    echo "$folder"
}

# What a small kernel's build never opens; leaving it out halves the time. Kconfig and Makefiles are all read.
source_without=(--exclude='*/drivers/gpu/*.[ch]' --exclude='*/drivers/media/*.[ch]' --exclude='*/drivers/staging/*.[ch]'
    --exclude='*/drivers/net/*.[ch]' --exclude='*/sound/*.[ch]' --exclude='*/tools/testing/*' --exclude='*/tools/perf/*'
    --exclude='*/Documentation/*/*' --exclude='*.rst' --exclude='*.dts' --exclude='*.dtsi'
    --exclude='linux-source-*/arch/[a-t]*/*.[chS]' --exclude='linux-source-*/arch/xtensa/*.[chS]')

# unpack_source SET FOLDER: a kernel's source; the file "unpacked" says that it is whole.
unpack_source() {
    local set=$1 folder=$2 scratch
    scratch=$(mktemp -d)
    echo "downloading $set"
    download "$set" "$scratch"
    echo "unpacking $set"
    rm -rf "$folder"
    mkdir -p "$folder"
    dpkg --fsys-tarfile "$scratch"/linux-source-*.deb | tar -xO --wildcards './usr/src/linux-source-*.tar.xz' |
        xz -dc -T2 | tar -x -C "$folder" --strip-components=1 "${source_without[@]}"
    rm -r "$scratch"
    touch "$folder/unpacked"
}
