# shellcheck shell=bash disable=SC2154,SC2164 # variables of environment.sh; set -e of run
# verify and audit where no image says what is built in: by the kernel's
# configuration and the files of its headers. What is not known there is said to
# be not known, and is never safe.
release=6.12.1-test
make_root root $release
make_certs_local "$build_folder" rsa2048 sha512
module=$modules_folder/updates/m.ko
new_module "$module"
silently sign-file sha512 "$keys/rsa2048.key" "$keys/rsa2048.der" "$module"
verify_installed() { expect_exit "$1" ksign verify --root root -k $release "${@:2}"; }
audit_installed() { expect_exit "$1" ksign audit --root root -k $release "${@:2}"; }
# named_by_config FILE: CONFIG_SYSTEM_TRUSTED_KEYS.
named_by_config() {
    sed -i '/SYSTEM_TRUSTED_KEYS/d' "$build_folder/.config"
    echo "CONFIG_SYSTEM_TRUSTED_KEYS=\"$1\"" >>"$build_folder/.config"
}

step "the configuration names the key, as ksign config update has it: it loads"
named_by_config /home/builder/linux/certs-local/20240101-1200/signing_key.pem
verify_installed 0 m
expect_in "$out" "loads (ksign test key rsa2048, sha512; certs-local of kernel $release)"
expect_in "$err" "no image of kernel $release was found"
audit_installed 0
expect_in "$out" "It is safe to boot"

step "it names none, or another's: not safe, as keys show says"
for named in "" /home/builder/linux/certs-local/20230101-1200/signing_key.pem; do
    named_by_config "$named"
    audit_installed 1
    expect_in "$out" "It is not safe to boot"
    expect_in "$out" "this kernel does not trust its own key (certs-local of kernel $release)"
    expect_in "$err" "ksign test key rsa2048 (certs-local of kernel $release) is not what $build_folder/.config has built in"
    audit_installed 1 --json
    expect_json 'd["safe"], d["known"], d["kernel"]["trusted"]' "(False, True, [])"
    expect_exit 0 ksign keys show --root root -k $release
    expect_in "$out" "the kernel's configuration does not name it"
    verify_installed 0 --trust "$keys/rsa2048.pem" m
done

step "neither image nor configuration: not known"
mv "$build_folder/.config" config
verify_installed 1 --json m
expect_json 'd["modules"][0]["verdict"], d["modules"][0]["errno"], d["kernel"]["unproven"][0]["name"]' \
    "('unknown', '', 'ksign test key rsa2048')"
verify_installed 1 m
expect_in "$out" "$module: not known: signed by ksign test key rsa2048 (serial "
expect_in "$out" "trusts that key (certs-local of kernel $release) is not known: neither its image nor its configuration is here; name its image (--image FILE)"
audit_installed 1
expect_in "$out" "kernel $release: 1 modules, 1 not known"
[[ $(tail -n 1 "$out") == "It is not known whether it is safe to boot $release with module.sig_enforce=1: one installed module is not known to load; name its image "* ]] ||
    fail "its last line: $(tail -n 1 "$out")"
audit_installed 1 --json
expect_json 'd["safe"], d["known"], d["verdicts"]' "(False, False, {'unknown': 1})"
given_config() { printf 'CONFIG_MODULE_SIG=y\nCONFIG_CRYPTO_RSA=y\nCONFIG_CRYPTO_SHA512=y\nCONFIG_SYSTEM_TRUSTED_KEYS="%s"\n' "$1" >given; }
given_config /home/builder/linux/certs-local/20240101-1200/signing_key.pem
verify_installed 0 --kernel-config given m
given_config ""
verify_installed 1 --kernel-config given m
expect_in "$out" "refused with EKEYREJECTED"
# Another's module may be one of the kernel's own, whose key is in its image.
new_module "$modules_folder/updates/stranger.ko"
silently sign-file sha512 "$keys/stranger.key" "$keys/stranger.der" "$modules_folder/updates/stranger.ko"
verify_installed 1 stranger
expect_in "$out" "trusts that key is not known: no image of it was read"
expect_in "$out" "mount what holds it, as /boot"
# Unless its headers hold that; and an unsigned one is refused in any case.
mkdir "$build_folder/certs"
cp "$keys/rsa4096.der" "$build_folder/certs/signing_key.x509"
verify_installed 1 stranger
expect_in "$out" "refused with EKEYREJECTED"
rm -r "$build_folder/certs"
new_module "$modules_folder/updates/stranger.ko"
audit_installed 1
expect_in "$out" "It is not safe to boot $release with module.sig_enforce=1: one installed module would be refused, and one installed module is not known to load"
rm "$modules_folder/updates/stranger.ko"
mv config "$build_folder/.config"
named_by_config /home/builder/linux/certs-local/20240101-1200/signing_key.pem

step "what root alone may read: another user is told so, and gets no refusal"
use_nobody
folder=$build_folder/certs-local/20240101-1200
chmod 700 "$folder"
hint="Permission denied; run"
verify_installed 0 m
expect_exit 1 "${as_nobody[@]}" "$bin/ksign" verify --root root -k $release m
expect_in "$out" "not known: signed by ksign test key rsa2048 (serial "
expect_in "$out" "is not known: $folder/khash: look for the signing key: Permission denied; run it as root"
expect_in "$err" "$folder/khash: look for the signing key: $hint"
expect_exit 1 "${as_nobody[@]}" "$bin/ksign" verify --root root -k $release --json m
expect_json 'd["modules"][0]["verdict"], len(d["kernel"]["unread"])' "('unknown', 1)"
expect_exit 0 "${as_nobody[@]}" "$bin/ksign" verify --root root -k $release --enforce no m
expect_in "$out" "loads and taints the kernel: signed by ksign test key rsa2048"
expect_in "$out" "run it as root"
expect_exit 1 "${as_nobody[@]}" "$bin/ksign" audit --root root -k $release
expect_in "$out" "It is not known whether it is safe to boot $release with module.sig_enforce=1: one installed module is not known to load; run it as root."
# An unsigned one is refused, whatever is trusted.
new_module unsigned.ko
chmod 644 unsigned.ko
expect_exit 1 "${as_nobody[@]}" "$bin/ksign" verify --root root -k $release ./unsigned.ko
expect_in "$out" "refused with EKEYREJECTED"
# The other certificates count, and what they verify loads.
mkdir "$build_folder/certs"
cp "$keys/stranger.der" "$build_folder/certs/signing_key.x509"
cp "$keys/rsa4096.pem" "$build_folder/certs/extra.pem"
named_by_config certs/extra.pem
for key in stranger rsa4096; do
    new_module "$key.ko"
    silently sign-file sha512 "$keys/$key.key" "$keys/$key.der" "$key.ko"
    chmod 644 "$key.ko"
    expect_exit 0 "${as_nobody[@]}" "$bin/ksign" verify --root root -k $release "./$key.ko"
done

step "keys show and dkms status: the hint"
expect_exit 1 "${as_nobody[@]}" "$bin/ksign" keys show --root root -k $release
expect_in "$out" "problem:     $folder/khash: look for the signing key: Permission denied"
expect_in "$out" "run it as root"
expect_exit 1 "${as_nobody[@]}" "$bin/ksign" keys show --root root -k $release --json
expect_json 'd["kernels"][0]["remedy"]' "run it as root"
install_dkms root $release zfs zfs
mkdir -p root/var/lib/dkms/zfs/1.0/source
expect_exit 1 "${as_nobody[@]}" "$bin/ksign" dkms status --root root --json
expect_json 'd["packages"][0]["builds"][0]["problems"]' "['$folder/khash: look for the signing key: $hint it as root']"
rm -r root/var/lib/dkms/zfs "$modules_folder/updates/dkms/zfs.ko"

step "headers that root alone may enter: nothing is known of them, and no other key is taken for theirs"
cp "$keys/p256.key" "$keys/p256.der" .
chown 65534:65534 p256.key
echo "key = $PWD/p256.key" >other.conf
echo "certificate = $PWD/p256.der" >>other.conf
chmod 700 root/usr/src
for command in "sign --dry-run --config other.conf" "sign --dry-run --key p256.key --certificate p256.der"; do
    # shellcheck disable=SC2086 # words
    expect_exit 1 "${as_nobody[@]}" "$bin/ksign" $command --root root -k $release m
    said "root/usr/src/linux-headers-$release" "look for it: Permission denied" "run it as root"
done
expect_exit 1 "${as_nobody[@]}" "$bin/ksign" verify --root root -k $release m
expect_in "$out" "not known: signed by ksign test key rsa2048 (serial "
expect_in "$out" "linux-headers-$release: look for it: Permission denied; run it as root"
expect_exit 1 "${as_nobody[@]}" "$bin/ksign" verify --root root -k $release ./unsigned.ko
expect_in "$out" "refused with EKEYREJECTED"
expect_exit 1 "${as_nobody[@]}" "$bin/ksign" audit --root root -k $release
expect_in "$out" "It is not known whether it is safe to boot $release"
chmod 755 root/usr/src

step "an image, and an initramfs, that root alone may read"
mkdir -p root/boot
echo image >root/boot/vmlinuz-$release
chmod 600 root/boot/vmlinuz-$release
expect_exit 1 "${as_nobody[@]}" "$bin/ksign" verify --root root -k $release m
expect_in "$err" "root/boot/vmlinuz-$release: open: $hint it as root"
expect_in "$out" "not known: signed by ksign test key rsa2048"
expect_exit 1 "${as_nobody[@]}" "$bin/ksign" verify --image root/boot/vmlinuz-$release ./stranger.ko
said root/boot/vmlinuz-$release "open: Permission denied" "run it as root"
rm root/boot/vmlinuz-$release
: >root/boot/initrd.img-$release
chmod 600 root/boot/initrd.img-$release
chmod 755 "$folder"
chmod 644 "$folder"/*
named_by_config /home/builder/linux/certs-local/20240101-1200/signing_key.pem
expect_exit 1 "${as_nobody[@]}" "$bin/ksign" audit --root root -k $release
[[ $(tail -n 1 "$out") == "It is not known whether it is safe to boot $release with module.sig_enforce=1: the initramfs can't be read: root/boot/initrd.img-$release: open: Permission denied; run it as root." ]] ||
    fail "its last line: $(tail -n 1 "$out")"
