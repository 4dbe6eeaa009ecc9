# shellcheck shell=bash disable=SC2154,SC2164 # variables of environment.sh; set -e of run
# ksign sign -k: what DKMS installed for a kernel, one module by its name, or all,
# below another root, with that kernel's key and hash.
make_root root 1.2.3-test CONFIG_CRYPTO_ECDSA=y 'CONFIG_MODULE_SIG_HASH="sha384"'
make_certs_local "$build_folder" p384 sha256
install_dkms root 1.2.3-test zfs zfs xz
install_dkms root 1.2.3-test zfs spl
install_dkms root 1.2.3-test nvidia nvidia-drm zst
# Built, but not installed; for another kernel; and the kernel's own.
new_module root/var/lib/dkms/other/1.0/1.2.3-test/x86_64/module/other.ko
make_root root 9.9.9-other
install_dkms root 9.9.9-other zfs zfs
new_module root/lib/modules/1.2.3-test/kernel/drivers/own.ko
new_module root/lib/modules/1.2.3-test/kernel/drivers/own-packed.ko.gz gz
updates=root/lib/modules/1.2.3-test/updates/dkms
cp -a root original

restore() {
    rm -rf root
    cp -a original root
}
# changed NAME…: of the files below root, these and no others differ from the original.
changed() {
    local found
    diff -rq --no-dereference original root >"$scratch/differences" || true
    found=$(sed -n 's/^Files original\/\(.*\) and .* differ$/\1/p' "$scratch/differences" | sort)
    [[ $found == "$(printf '%s\n' "$@" | sort)" ]] || fail "changed: $found"
    ! grep -v ' differ$' "$scratch/differences" || fail "a file has come or gone"
}

step "all that DKMS installed; the hash is the kernel's"
expect_exit 0 ksign sign -k 1.2.3-test --root root
changed lib/modules/1.2.3-test/updates/dkms/{zfs.ko.xz,spl.ko,nvidia-drm.ko.zst}
expect_signed $updates/zfs.ko.xz p384 sha384
expect_signed $updates/spl.ko p384 sha384
expect_signed $updates/nvidia-drm.ko.zst p384 sha384
expect_loadable $updates/zfs.ko.xz xz
expect_loadable $updates/nvidia-drm.ko.zst zst
[[ $(wc -l <"$out") == 3 ]] || fail "not three lines: $(<"$out")"
expect_in "$out" "$updates/zfs.ko.xz: signed (ksign test key p384, ECDSA P-384, sha384, xz)"
[[ $(<"$err") == "ksign: depmod is not needed: a signature changes no symbol and no dependency" ]] || fail "said: $(<"$err")"
unchanged ksign sign -k 1.2.3-test --root root
expect_in "$out" "$updates/spl.ko: already signed (ksign test key p384, ECDSA P-384, sha384, plain)"

step "the root's path in other forms"
for root in "$PWD/root" ./root root/ "$PWD/root/" root/. root/lib/..; do
    restore
    expect_exit 0 ksign sign -k 1.2.3-test --root "$root" spl
    changed lib/modules/1.2.3-test/updates/dkms/spl.ko
done

step "by name: - and _ are the same; with a suffix; several; where modules.dep says"
for name in nvidia-drm nvidia_drm nvidia-drm.ko nvidia_drm.ko.zst; do
    restore
    expect_exit 0 ksign sign -k 1.2.3-test --root root $name
    changed lib/modules/1.2.3-test/updates/dkms/nvidia-drm.ko.zst
done
restore
expect_exit 0 ksign sign -k 1.2.3-test --root root own zfs
changed lib/modules/1.2.3-test/{kernel/drivers/own.ko,updates/dkms/zfs.ko.xz}
# A kernel's own module of the same name: modprobe's choice is signed.
restore
new_module original/lib/modules/1.2.3-test/kernel/drivers/spl.ko
printf '%s\n' updates/dkms/spl.ko: kernel/drivers/own.ko: >original/lib/modules/1.2.3-test/modules.dep
restore
expect_exit 0 ksign sign -k 1.2.3-test --root root spl
changed lib/modules/1.2.3-test/updates/dkms/spl.ko
restore
expect_exit 0 ksign sign -k 1.2.3-test --root root
changed lib/modules/1.2.3-test/updates/dkms/{zfs.ko.xz,spl.ko,nvidia-drm.ko.zst}

step "--all-modules, and not what the link to the headers leads to"
new_module original/usr/src/linux-headers-1.2.3-test/not-a-module-of-this-kernel.ko
restore
expect_exit 0 ksign sign -k 1.2.3-test --root root --all-modules
changed lib/modules/1.2.3-test/{updates/dkms/{zfs.ko.xz,spl.ko,nvidia-drm.ko.zst},kernel/drivers/{own.ko,own-packed.ko.gz,spl.ko}}
expect_loadable root/lib/modules/1.2.3-test/kernel/drivers/own-packed.ko.gz gz

step "a name that is not there: the others are signed, and the exit says so"
restore
expect_exit 1 ksign sign -k 1.2.3-test --root root spl nothing zfs
changed lib/modules/1.2.3-test/updates/dkms/{zfs.ko.xz,spl.ko}
said nothing "no module of that name is installed for kernel 1.2.3-test in " ""
expect_in "$err" "1 of 3 modules failed"

step "what DKMS calls installed and is not there"
restore
rm root/lib/modules/1.2.3-test/updates/dkms/nvidia-drm.ko.zst
expect_exit 1 ksign sign -k 1.2.3-test --root root
said nvidia_drm "DKMS has it as installed for kernel 1.2.3-test, and it is not in " "dkms install --force"

step "nothing to sign; kernels that are not there"
make_root empty 1.2.3-test
make_certs_local "$build_folder" rsa2048
refused "kernel 1.2.3-test" "DKMS has no modules installed for it" "dkms status" ksign sign -k 1.2.3-test --root empty
refused "kernel 1.2.3-test" "has no modules in empty/lib/modules/1.2.3-test" "" \
    ksign sign -k 1.2.3-test --root empty --all-modules
refused "kernel 4.4.4" "is not installed: there is no empty/lib/modules/4.4.4" "empty/lib/modules" ksign sign -k 4.4.4 --root empty

step "a release with a slip in it: said by every command that takes one, and nothing is signed or judged for it"
slip=(-k 1.2.3-tset --root root)
new_module m.ko
refused "kernel 1.2.3-tset" "is not installed: there is no root/lib/modules/1.2.3-tset" "shows the kernels that are: 1.2.3-test, 9.9.9-other" \
    ksign sign "${slip[@]}" --key "$keys/rsa2048.key" --certificate "$keys/rsa2048.der" ./m.ko
for command in "sign" "show zfs" "strip zfs" "verify ./m.ko" "audit" "keys show" "keys enroll $keys/rsa2048.der" \
    "keys generate --certs-local new" "keys refresh --certs-local new"; do
    # shellcheck disable=SC2086 # words
    refused "kernel 1.2.3-tset" "is not installed" "shows the kernels that are" ksign $command "${slip[@]}"
    [[ ! -s $out ]] || fail "$command: $(<"$out")"
done
# An image stands in for what is installed.
expect_exit 1 ksign verify "${slip[@]}" --image m.ko ./m.ko
expect_not_in "$err" "is not installed"
# What DKMS calls is told of kernels whose folder it knows, and a key of ksign.conf is for all.
printf 'key = %s\ncertificate = %s\n' "$keys/rsa2048.key" "$keys/rsa2048.der" >any.conf
silently sign-tool --config any.conf 1.2.3-ksign-tset m.ko
expect_signed m.ko rsa2048 sha512

step "a root whose /lib is a link, as with a merged /usr, and absolute"
mkdir merged merged/usr
cp -a original/lib merged/usr/lib
cp -a original/var original/etc merged/
cp -a original/usr/src merged/usr/src
ln -s /usr/lib merged/lib
expect_exit 0 ksign sign -k 1.2.3-test --root merged
expect_signed merged/usr/lib/modules/1.2.3-test/updates/dkms/spl.ko p384 sha384

step "DKMS's tree elsewhere: by a link that is absolute, by dkms_tree of its framework.conf; nowhere that can be told"
mkdir merged/srv
mv merged/var/lib/dkms merged/srv/dkms
ln -s /srv/dkms merged/var/lib/dkms
unchanged ksign sign -k 1.2.3-test --root merged
[[ $(wc -l <"$out") == 3 ]] || fail "not three lines: $(<"$out")"
mkdir merged/etc/dkms merged/srv/dkms/zfs/1.0/source
echo 'dkms_tree="/srv/dkms"' >merged/etc/dkms/framework.conf
rm merged/var/lib/dkms
unchanged ksign sign -k 1.2.3-test --root merged
[[ $(wc -l <"$out") == 3 ]] || fail "not three lines: $(<"$out")"
expect_exit 1 ksign dkms status --root merged
expect_in "$out" "zfs 1.0: not signed by ksign"
# shellcheck disable=SC2016 # for another shell
echo 'dkms_tree="$base/dkms"' >merged/etc/dkms/framework.conf
for command in "sign -k 1.2.3-test" "dkms status" "dkms enable --all"; do
    # shellcheck disable=SC2016,SC2086 # words
    refused merged/etc/dkms/framework.conf 'sets dkms_tree=$base/dkms' "write its path there" \
        ksign $command --root merged
done

step "headers alone, as Fedora's where a package of modules is built: the kernel's configuration counts"
mkdir -p devel/usr/src/kernels/1.2.3-test
printf '%s\n' CONFIG_MODULE_SIG=y CONFIG_CRYPTO_RSA=y CONFIG_CRYPTO_SHA256=y 'CONFIG_MODULE_SIG_HASH="sha256"' >devel/usr/src/kernels/1.2.3-test/.config
new_module m.ko
expect_exit 0 ksign sign -k 1.2.3-test --root devel --key "$keys/rsa2048.key" --certificate "$keys/rsa2048.der" ./m.ko
expect_signed m.ko rsa2048 sha256
