# shellcheck shell=bash disable=SC2154,SC2164 # variables of environment.sh; set -e of run
# verify and audit by the keys that this machine's firmware gives a kernel: below a
# root without /proc, so that the kernel is one that is not running.
release=6.12.1
options=(CONFIG_LOAD_UEFI_KEYS=y CONFIG_INTEGRITY_PLATFORM_KEYRING=y CONFIG_INTEGRITY_MACHINE_KEYRING=y
    CONFIG_SECONDARY_TRUSTED_KEYRING=y CONFIG_IMA_SECURE_AND_OR_TRUSTED_BOOT=y)
make_root root $release "${options[@]}"
mkdir "$build_folder/certs"
cp "$keys/stranger.der" "$build_folder/certs/signing_key.x509" # all that is built in
efi=root/sys/firmware/efi/efivars
table=root/sys/firmware/efi/mok-variables
mkdir -p $efi
efi_variable $efi SecureBoot
efi_variable $efi MokListTrustedRT
efi_variable $efi MokListRT "$keys/rsa2048.der"
module=$modules_folder/updates/m.ko
new_module "$module"
silently sign-file sha512 "$keys/rsa2048.key" "$keys/rsa2048.der" "$module"
verify_firmware() { expect_exit "$1" ksign verify --root root -k $release m; }

step "a kernel that is installed and not running yet has the firmware's keys, too"
verify_firmware 0
expect_in "$out" "loads (ksign test key rsa2048, sha512; machine owner key (MokList))"
expect_exit 0 ksign audit --root root -k $release
expect_in "$out" "It is safe to boot $release with module.sig_enforce=1"

step "one that does not look at machine owner keys has not"
sed -i /CONFIG_IMA_/d "$build_folder/.config"
verify_firmware 1
expect_in "$out" "refused with EKEYREJECTED"
expect_in "$err" "CONFIG_IMA_ARCH_POLICY is not set: the kernel does not look at machine owner keys"
echo CONFIG_IMA_SECURE_AND_OR_TRUSTED_BOOT=y >>"$build_folder/.config"

step "that of ksign.conf, not enrolled: signing with it again is no remedy"
mv $efi/MokListRT-* .
printf '%s\n' "key = $keys/rsa2048.key" "certificate = $keys/rsa2048.der" >root/etc/ksign/ksign.conf
verify_firmware 1
expect_in "$out" "does not trust the key that modules are signed with for it ($keys/rsa2048.der, by root/etc/ksign/ksign.conf)"
expect_in "$out" "ksign keys enroll says what is left to do"
expect_not_in "$out" "sign it with"
mv MokListRT-* $efi/
verify_firmware 0
rm root/etc/ksign/ksign.conf

step "one that is enrolled and of no use: enrolling it once more is no remedy"
rm $efi/MokListTrustedRT-*
verify_firmware 1
expect_in "$out" "it is in .platform, where this kernel does not look for the keys of modules"
expect_in "$out" "ksign keys enroll CERTIFICATE"
expect_not_in "$out" "as a machine owner key"
efi_variable $efi MokListTrustedRT

step "shim's table is for root alone: others read the firmware's own copy, and are told where there is none"
use_nobody
mkdir $table
verify_as_nobody() { expect_exit "$1" "${as_nobody[@]}" "$bin/ksign" verify --root root -k $release m; }
for name in MokListRT MokSBStateRT; do
    echo >$table/$name
    chmod 400 $table/$name
done
verify_as_nobody 1
expect_in "$out" "is not known: $table/MokSBStateRT: open: Permission denied; run it as root"
rm $table/MokSBStateRT
verify_as_nobody 0
rm $efi/MokListRT-*
verify_as_nobody 1
expect_in "$out" "is not known: $table/MokListRT: open: Permission denied; run it as root"
expect_exit 1 "${as_nobody[@]}" "$bin/ksign" audit --root root -k $release
expect_in "$out" "It is not known whether it is safe to boot"
rm -r $table
efi_variable $efi MokListRT "$keys/rsa2048.der"

step "an installed image of a form that ksign does not know is as good as none"
mkdir -p root/boot
head -c 100000 /dev/urandom >root/boot/vmlinuz-$release
verify_firmware 0
expect_in "$err" "root/boot/vmlinuz-$release: is no kernel image that ksign knows"
expect_exit 1 ksign verify --image root/boot/vmlinuz-$release "$module"

step "a pipe in a file's place makes nobody wait"
rm root/boot/vmlinuz-$release
mkfifo "$modules_folder/pkgbase" "$modules_folder/modules.dep"
expect_exit 0 timeout 60 "$bin/ksign" audit --root root -k $release
expect_exit 0 timeout 60 "$bin/ksign" verify --root root -k $release m
