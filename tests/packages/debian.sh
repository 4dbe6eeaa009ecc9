# shellcheck shell=bash disable=SC2154 # variables of run
# Debian's packages, installed into overlays over this machine's system.

# inside COMMAND…: in a mount namespace where what is written to the system vanishes with it.
inside() {
    local sandbox_folder=$work/sandbox
    mkdir -p "$sandbox_folder"
    # shellcheck disable=SC2016 # its own words
    unshare --mount --propagation private bash -eEc '
        trap "echo \"FAILED: inside, line \$LINENO: \$BASH_COMMAND\" >&2" ERR
        . "$1/tests/dkms/environment.sh" && use_sandbox "$2" && cover_machine && cd "$2"
        debs=$3
        . "$1/tests/packages/debian.sh"
        shift 3
        "$@"' - "$top" "$sandbox_folder" "$built/debian" "$@"
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

debian_autopkgtest() {
    autopkgtest --no-built-binaries "$debs"/*.deb "$debs"/*.dsc -- null
}

# An older one is this one under another version, as there is none.
older() {
    local deb
    mkdir older
    for deb in "$debs"/ksign_*.deb "$debs"/libksign0_*.deb; do
        dpkg-deb -R "$deb" unpacked
        sed -i 's/^Version: .*/Version: 0.0.9-1/; /^Depends:/s/libksign0 (>= [^)]*)/libksign0/' unpacked/DEBIAN/control
        [[ ! -d unpacked/etc ]] || echo '# as 0.0.9 had it' >>unpacked/etc/ksign/x509.oot.genkey
        dpkg-deb -b unpacked "older/$(basename "$deb")"
        rm -r unpacked
    done
}

debian_life() {
    export DEBIAN_FRONTEND=noninteractive
    find /usr -name '*ksign*' | sort >before
    older
    dpkg -i older/*.deb
    [[ $(dpkg-query -W -f '${Version}' ksign) == 0.0.9-1 ]] || fail "the older one is not installed"
    ksign --version
    mkdir -p /var/lib/dkms/one/1.0/source /var/lib/dkms/mine/1.0/source
    ksign dkms enable one
    echo 'POST_BUILD=mine.sh' >/etc/dkms/mine.conf
    ksign dkms enable --append mine
    echo 'missing-key = fail' >>/etc/ksign/ksign.conf

    echo "-- upgraded: settings stay, and so do links"
    dpkg -i --force-confold "$debs"/ksign_*.deb "$debs"/libksign0_*.deb
    grep -qx 'missing-key = fail' /etc/ksign/ksign.conf || fail "the settings are lost"
    ! grep -q 0.0.9 /etc/ksign/x509.oot.genkey || fail "a conffile that nobody changed is the old one"
    [[ -L /etc/dkms/one.conf ]] || fail "the link is lost"

    echo "-- removed: nothing leads to a program that is gone, and settings stay"
    dpkg -r ksign
    [[ ! -L /etc/dkms/one.conf ]] || fail "a link was left"
    [[ $(</etc/dkms/mine.conf) == POST_BUILD=mine.sh ]] || fail "a user's own file is not as it was: $(</etc/dkms/mine.conf)"
    [[ -e /etc/ksign/ksign.conf ]] || fail "the settings are lost"

    echo "-- purged: only what is the user's is left"
    mkdir -p /etc/ksign/keys
    dpkg -P ksign libksign0
    [[ ! -e /etc/ksign/ksign.conf && ! -e /etc/dkms/kernel-sign.conf ]] || fail "conffiles were left"
    [[ -d /etc/ksign/keys && -e /etc/dkms/mine.conf ]] || fail "what is the user's was removed"
    find /usr -name '*ksign*' | sort | diff before - || fail "files were left"
}

if [[ -n ${passed-} ]]; then
    check "debian: built, lintian has nothing to say" debian_is_clean
    check "debian: autopkgtest" inside debian_autopkgtest
    check "debian: installed, upgraded, removed, purged" inside debian_life
fi
