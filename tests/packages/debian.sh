# shellcheck shell=bash disable=SC2154 # variables of run
# Debian's packages, installed into a Debian that has nothing else, by its own apt.

# in_fresh FUNCTION: in a mount namespace with such a system in $root, and the packages in its /debs.
in_fresh() {
    # shellcheck disable=SC2016 # its own words
    unshare --mount --propagation private bash -eEc '
        trap "echo \"FAILED: inside, line \$LINENO: \$BASH_COMMAND\" >&2" ERR
        . "$1/tests/debian_archive.sh"
        . "$1/tests/packages/debian.sh"
        root=$2 debs=$2/debs
        # What is built here is for here.
        bare_debian "$(machine_suite)"
        enter_bare_debian "$root"
        mkdir "$debs" && cp "$3"/* "$debs"
        inside apt-get -qq update
        $4' - "$top" "$work/fresh" "$built/debian" "$1"
}

inside() { in_bare_debian "$root" env DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 "$@"; }

installed_version() { inside dpkg-query -W ksign | cut -f 2; }

fail() {
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}

debian_is_clean() {
    build debian
    (($(find "$built/debian" -name '*.deb' | wc -l) >= 3)) || fail "there are fewer than three packages"
    lintian --fail-on error,warning --info "$built"/debian/*.changes
    [[ $(dpkg-deb -f "$built"/debian/ksign_*.deb Recommends) == *dkms* ]] || fail "dkms is not recommended"
    dpkg-deb -I "$built"/debian/ksign_*.deb conffiles >"$work/conffiles"
    for file in /etc/ksign/ksign.conf /etc/dkms/kernel-sign.conf; do
        grep -qx "$file" "$work/conffiles" || fail "$file is no conffile"
    done
}

# It installs what it needs there, and does the main job, with DKMS.
debian_autopkgtest() {
    autopkgtest --no-built-binaries "$debs"/*.deb "$debs"/*.dsc -- chroot "$root"
}

# An older one is this one under another version, as there is none.
older() {
    local deb
    mkdir "$root/older"
    for deb in "$debs"/ksign_*.deb "$debs"/libksign0_*.deb; do
        dpkg-deb -R "$deb" "$root/unpacked"
        sed -i 's/^Version: .*/Version: 0.0.9-1/; /^Depends:/s/libksign0 (>= [^)]*)/libksign0/' "$root/unpacked/DEBIAN/control"
        [[ ! -d $root/unpacked/etc ]] || echo '# as 0.0.9 had it' >>"$root/unpacked/etc/ksign/x509.oot.genkey"
        dpkg-deb -b "$root/unpacked" "$root/older/$(basename "$deb")"
        rm -r "$root/unpacked"
    done
}

debian_life() {
    older
    inside find /usr -name '*ksign*' | sort >"$root/before"
    inside sh -c 'apt-get -qq -y --no-install-recommends install /older/*.deb'
    [[ $(installed_version) == 0.0.9-1 ]] || fail "the older one is not installed"
    inside ksign --version
    mkdir -p "$root"/var/lib/dkms/{one,mine}/1.0/source "$root/etc/dkms"
    inside ksign dkms enable one
    echo 'POST_BUILD=mine.sh' >"$root/etc/dkms/mine.conf"
    inside ksign dkms enable --append mine
    echo 'missing-key = fail' >>"$root/etc/ksign/ksign.conf"

    echo "-- upgraded: settings stay, and so do links"
    inside sh -c 'apt-get -qq -y -o Dpkg::Options::=--force-confold install /debs/ksign_*.deb /debs/libksign0_*.deb'
    [[ $(installed_version) != 0.0.9-1 ]] || fail "it is not upgraded"
    grep -qx 'missing-key = fail' "$root/etc/ksign/ksign.conf" || fail "the settings are lost"
    ! grep -q 0.0.9 "$root/etc/ksign/x509.oot.genkey" || fail "a conffile that nobody changed is the old one"
    [[ -L $root/etc/dkms/one.conf ]] || fail "the link is lost"

    echo "-- removed: nothing leads to a program that is gone, and settings stay"
    inside dpkg -r ksign
    [[ ! -L $root/etc/dkms/one.conf ]] || fail "a link was left"
    [[ $(<"$root/etc/dkms/mine.conf") == POST_BUILD=mine.sh ]] || fail "a user's own file is not as it was: $(<"$root/etc/dkms/mine.conf")"
    [[ -e $root/etc/ksign/ksign.conf ]] || fail "the settings are lost"

    echo "-- purged: only what is the user's is left"
    mkdir -p "$root/etc/ksign/keys"
    inside dpkg -P ksign libksign0
    [[ ! -e $root/etc/ksign/ksign.conf && ! -e $root/etc/dkms/kernel-sign.conf ]] || fail "conffiles were left"
    [[ -d $root/etc/ksign/keys && -e $root/etc/dkms/mine.conf ]] || fail "what is the user's was removed"
    inside find /usr -name '*ksign*' | sort | diff "$root/before" - || fail "files were left"
}

if [[ -n ${passed-} ]]; then
    mkdir "$work/fresh"
    check "debian: built, lintian has nothing to say" debian_is_clean
    check "debian: the main job on a Debian without anything else, by autopkgtest" in_fresh debian_autopkgtest
    check "debian: installed, upgraded, removed, purged" in_fresh debian_life
fi
