# shellcheck shell=bash disable=SC2154 # variables of run
# RPM's packages, in a root with a database of its own. Debian's files are its
# libraries, so what is installed there is run from here.

rpm_in() {
    local root=$work/rpm-root
    mkdir -p "$root/var/lib/rpm"
    # Dependencies are names of Fedora's packages, and no shell is in that root.
    rpm --root "$root" --nodeps --noscripts "$@"
}
rpm_query() { rpm --root "$work/rpm-root" "$@"; }

rpm_built() {
    local package
    build rpm
    for package in ksign ksign-libs ksign-devel; do
        compgen -G "$built/rpm/$package-0*.rpm" >/dev/null || fail "no package $package"
    done
    rpm -qp --scripts "$built"/rpm/ksign-0*.x86_64.rpm | grep -q 'ksign dkms disable' || fail "it would leave links"
    rpm -qp --recommends "$built"/rpm/ksign-0*.x86_64.rpm | grep -qx dkms || fail "dkms is not recommended"
}

# rpm_older: packs the files of the new ones under a lower version, by rpmbuild, as there are no older ones.
rpm_older() {
    local name tree=$work/rpm-older
    mkdir -p "$tree/built"
    for name in ksign ksign-libs; do
        rm -rf "$tree/files" && mkdir "$tree/files"
        (cd "$tree/files" && rpm2cpio "$built/rpm/$name"-0*.x86_64.rpm | cpio -idm --quiet)
        {
            printf 'Name: %s\nVersion: 0.0.9\nRelease: 1\nSummary: older\nLicense: MIT\nAutoReqProv: no\n' "$name"
            printf '%%global debug_package %%{nil}\n%%global __os_install_post %%{nil}\n%%description\nolder\n'
            printf '%%install\ncp -a %s/. %%{buildroot}\n%%files\n' "$tree/files"
            (cd "$tree/files" && find . ! -type d -printf '/%P\n' | sed 's#^/etc/#%config(noreplace) &#')
        } >"$tree/$name.spec"
        rpmbuild -bb --define "_topdir $tree/topdir" --define "_rpmdir $tree/built" --define "_build_name_fmt %%{NAME}.rpm" "$tree/$name.spec"
    done
}

rpm_life() {
    local root=$work/rpm-root
    rpm_older
    rpm_in -i "$work"/rpm-older/built/ksign{,-libs}.rpm
    [[ $(rpm_query -q --queryformat '%{VERSION}' ksign) == 0.0.9 ]] || fail "the older one is not installed"
    echo 'missing-key = fail' >>"$root/etc/ksign/ksign.conf"

    echo "-- upgraded: settings stay"
    rpm_in -U "$built"/rpm/ksign{,-libs,-devel}-0*.x86_64.rpm
    [[ $(rpm_query -q ksign | wc -l) == 1 && $(rpm_query -q --queryformat '%{VERSION}' ksign) != 0.0.9 ]] || fail "it is not upgraded"
    grep -qx 'missing-key = fail' "$root/etc/ksign/ksign.conf" || fail "the settings are lost"
    rpm_query -V --nodeps ksign-libs ksign-devel

    echo "-- the main job"
    main_job "$root"

    echo "-- removed"
    rpm_in -e ksign ksign-libs ksign-devel
    [[ -e $root/etc/ksign/ksign.conf.rpmsave ]] || fail "the changed settings were not saved"
    [[ -z $(find "$root" -path "$root/var/lib/rpm" -prune -o -name '*ksign*' -type f ! -name '*.rpmsave' -print) ]] ||
        fail "files were left: $(find "$root" -name '*ksign*')"
}

# A package with a module, by a spec as the README shows it: rpmbuild strips the module, and ksign signs it after that.
rpm_signs_after_strip() {
    local tree=$work/kmod module root=$work/kmod-root
    mkdir -p "$tree" "$root"
    (cd "$root" && rpm2cpio "$(compgen -G "$built/rpm/ksign-0*.x86_64.rpm")" | cpio -idm --quiet &&
        rpm2cpio "$(compgen -G "$built/rpm/ksign-libs-0*.x86_64.rpm")" | cpio -idm --quiet)
    openssl req -new -x509 -nodes -newkey rsa:2048 -subj "/CN=kmod test key" -days 30 -config "$top/conf/x509.oot.genkey" \
        -keyout "$tree/key.pem" -out "$tree/certificate.pem"
    chmod 600 "$tree/key.pem"
    cat >"$tree/sample.c" <<'END'
static const char license[] __attribute__((section(".modinfo"), used, aligned(1))) = "license=MIT";
int init_module(void);
int init_module(void) { return sizeof(license); }
END
    cc -g -O1 -ffreestanding -fno-pic -c "$tree/sample.c" -o "$tree/sample.ko"
    cat >"$tree/kmod-sample.spec" <<END
Name: kmod-sample
Version: 1.0
Release: 1
Summary: A module
License: MIT
%global ksign_options --key $tree/key.pem --certificate $tree/certificate.pem --hash sha256
%{?ksign_sign_after_strip}
%global debug_package %{nil}
%description
A module.
%install
install -D -m 0755 $tree/sample.ko %{buildroot}/lib/modules/6.12.1/extra/sample.ko
%files
/lib/modules/6.12.1/extra/sample.ko
END
    LD_LIBRARY_PATH=$root/usr/lib64:$root/usr/lib:$root/usr/lib/x86_64-linux-gnu rpmbuild -bb --define "_topdir $tree/rpm" --define "_bindir $root/usr/bin" \
        --load "$root/usr/lib/rpm/macros.d/macros.ksign" "$tree/kmod-sample.spec"
    (cd "$tree" && rpm2cpio rpm/RPMS/*/kmod-sample-*.rpm | cpio -idm --quiet)
    module=$tree/lib/modules/6.12.1/extra/sample.ko
    [[ $(modinfo -F signer "$module") == "kmod test key" ]] || fail "the packaged module is not signed"
    [[ $(readelf -S -W "$module") != *" .debug_info "* ]] || fail "it was not stripped, so this shows nothing"
    LD_LIBRARY_PATH=$root/usr/lib64:$root/usr/lib:$root/usr/lib/x86_64-linux-gnu "$root/usr/bin/ksign" verify --trust "$tree/certificate.pem" "$module" |
        grep -F "loads" || fail "the packaged module would be refused"
}

check "rpm: built" rpm_built
check "rpm: installed, upgraded, signs what DKMS builds, removed" rpm_life
check "rpm: a package with a module is signed after rpmbuild has stripped it" rpm_signs_after_strip
