# shellcheck shell=bash disable=SC2154,SC2164 # variables of environment.sh; set -e of run
# ksign keys enroll: by made-up firmware variables below a root, and with the real
# mokutil on firmware that is a folder (libefivar takes one from EFIVARFS_PATH).
release=6.12.1
make_root root "$release" CONFIG_LOAD_UEFI_KEYS=y CONFIG_INTEGRITY_MACHINE_KEYRING=y CONFIG_IMA_SECURE_AND_OR_TRUSTED_BOOT=y
efi=root/sys/firmware/efi/efivars

enroll() {
    expect_exit "$1" ksign keys enroll --root root -k "$release" "${@:2}"
}

step "no UEFI: said clearly, and nothing is written"
cp "$keys/rsa2048.pem" MOK.pem
no_change enroll 1 MOK.pem
expect_in "$out" "state:       not enrolled: this machine was not started by UEFI firmware, so it has no machine owner keys"
expect_in "$out" "what is built into it alone"
expect_not_in "$out" "mokutil"

step "not enrolled: the DER beside it, where it will land, and what to run"
mkdir -p "$efi"
efi_variable "$efi" SecureBoot
efi_variable "$efi" MokListTrustedRT
efi_variable "$efi" MokListRT "$keys/stranger.der"
enroll 1 MOK.pem
cmp MOK.der "$keys/rsa2048.der" || fail "MOK.der is not the certificate"
for text in "state:       not enrolled" "DER:         MOK.der (written)" "keyring:     .machine of kernel $release: " \
    "this kernel trusts what it signs" "mokutil --import MOK.der" "Enroll MOK, Continue, Yes"; do
    expect_in "$out" "$text"
done
no_change enroll 1 MOK.pem
expect_not_in "$out" "(written)"
no_change enroll 1 MOK.der
cp "$keys/p384.pem" MOK.pem
echo CONFIG_CRYPTO_ECDSA=y >>"$build_folder/.config"

step "another certificate is never replaced"
no_change refused MOK.der "holds another certificate (ksign test key rsa2048, serial " "say with --der FILE" \
    ksign keys enroll --root root -k "$release" MOK.pem
rm MOK.der
enroll 1 MOK.pem
cmp MOK.der "$keys/p384.der" || fail "MOK.der is not the certificate"
no_change refused MOK.der "holds another certificate (ksign test key p384, serial " "move that file away" \
    ksign keys enroll --root root -k "$release" --der MOK.der "$keys/rsa2048.pem"

step "a private key is never replaced"
openssl pkcs8 -topk8 -nocrypt -in "$keys/rsa2048.key" -outform DER -out mine.der
cp "$keys/rsa2048.pem" mine.pem
no_change refused mine.der "is there already, and is no certificate in DER" "say with --der" \
    ksign keys enroll --root root -k "$release" mine.pem
enroll 1 mine.pem --der elsewhere.der
cmp elsewhere.der "$keys/rsa2048.der" || fail "elsewhere.der is not the certificate"
no_change enroll 1 "$keys/both.pem" --der elsewhere.der

step "commands as a shell takes them"
cp "$keys/rsa2048.pem" "my key.pem"
enroll 1 "my key.pem"
expect_in "$out" "mokutil --import 'my key.der'    as root"
expect_in "$out" "  ksign keys enroll -k $release --root root 'my key.pem'    says that it is enrolled"
printf 'hash = sha256\n' >my.conf
no_change enroll 1 "my key.pem" --config my.conf
expect_in "$out" "  ksign keys enroll -k $release --root root --config my.conf 'my key.pem'    says"

step "which certificate: ksign.conf's, else the kernel's own"
refused "machine owner key" "none was named" "ksign.conf" ksign keys enroll --root root -k "$release"
make_certs_local "$build_folder" rsa2048
enroll 1 --json
expect_json 'd["enrollment"]["certificate"].endswith("certs-local/20240101-1200/signing_crt.crt"), d["enrollment"]["der_written"]' \
    "(True, False)"
echo "certificate = $scratch/work/MOK.pem" >root/etc/ksign/ksign.conf
enroll 1 --json
expect_json 'd["enrollment"]["certificate"]' "$scratch/work/MOK.pem"
usage_error "name one certificate" ksign keys enroll MOK.pem mine.pem
usage_error "does not go with --root" ksign keys enroll --root root --yes MOK.pem

step "requested, enrolled, revoked"
efi_variable "$efi" MokNew "$keys/p384.der"
enroll 1
expect_in "$out" "requested, to be confirmed at the next boot"
expect_in "$out" "  ksign keys enroll -k $release --root root    says that it is enrolled"
expect_not_in "$out" "mokutil --import"
efi_variable "$efi" MokListRT "$keys/stranger.der" "$keys/p384.der"
enroll 0
expect_in "$out" "enrolled (MokList)"
expect_not_in "$out" "To enroll it"
enroll 0 --json
expect_json '[d["schema"]] + [d["enrollment"][name] for name in ("state", "keyring", "trusted_for_modules", "secure_boot", "kernel", "signer")]' \
    "[1, 'enrolled', '.machine', True, True, '$release', 'ksign test key p384']"
efi_variable "$efi" dbx "$keys/p384.der"
enroll 1
expect_in "$out" "revoked (dbx or MokListX)"
rm "$efi"/dbx-*

step "enrolled, and of no use: another keyring, an extended key usage, Secure Boot off"
sed -i '/MACHINE_KEYRING/d' "$build_folder/.config"
echo CONFIG_CHECK_CODESIGN_EKU=y >>"$build_folder/.config"
enroll 0
for text in ".platform of kernel $release: it has no machine keyring" "does not trust what it signs:" \
    "where this kernel does not look for the keys of modules" "ksign keys generate --code-signing"; do
    expect_in "$out" "$text"
done
mkdir -p root/proc/sys/kernel
echo "$release" >root/proc/sys/kernel/osrelease
echo "Linux version $release (debian-kernel@lists.debian.org) (gcc-12)" >root/proc/version
enroll 0
expect_not_in "$out" "where this kernel does not look"
printf '\6\0\0\0\0' >"$efi/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
enroll 0
expect_in "$out" "Secure Boot is off, and the kernel then looks at no machine owner keys"
enroll 0 --json
expect_json 'd["enrollment"]["trusted_for_modules"], len(d["enrollment"]["obstacles"])' "(False, 2)"

step "an image of unknown form, or that root alone may read, is as good as none"
rm -r root/proc
echo "no image" >"$modules_folder/vmlinuz"
enroll 0
expect_in "$out" "state:       enrolled (MokList)"
expect_in "$err" "$modules_folder/vmlinuz: is no kernel image"
expect_in "$err" "kernel $release is judged as mainline: who built it, its image says"
enroll 0 --json
expect_json 'len(d["enrollment"]["notes"])' 2
if ((EUID == 0)); then
    use_nobody
    chmod 600 "$modules_folder/vmlinuz"
    expect_exit 0 "${as_nobody[@]}" "$bin/ksign" keys enroll --root root -k "$release"
    expect_in "$out" "state:       enrolled (MokList)"
    expect_in "$err" "$modules_folder/vmlinuz: open: Permission denied; run it as root"
fi
rm "$modules_folder/vmlinuz"

step "variables that can't be read"
rm "$efi"/Mok{ListRT,New}-*
efi_variable "$efi" MokListRT "$keys/p384.der"
truncate -s 100 "$efi"/MokListRT-*
enroll 1
expect_in "$out" "state:       not known"
expect_in "$err" "MokListRT can't be parsed to its end"

step "as a user: what may not be written or read"
rm "$efi"/MokListRT-*
efi_variable "$efi" MokListRT "$keys/stranger.der"
if ((EUID == 0)); then
    use_nobody
    cp "$keys/rsa2048.pem" closed.pem
    user_enroll() { expect_exit 1 "${as_nobody[@]}" "$bin/ksign" keys enroll --root root -k "$release" "$@"; }
    no_change user_enroll closed.pem
    expect_in "$out" "state:       not enrolled"
    expect_in "$out" "mokutil --import FILE    as root"
    expect_in "$err" "closed.der: create: Permission denied; run it as root, or say with --der FILE where to write it"
    no_change user_enroll --json closed.pem
    expect_json '["der" in e or e["notes"][-1][:19] for e in [d["enrollment"]]]' "['closed.der: create:']"
    no_change user_enroll closed.pem --der here.der
    said here.der "create: Permission denied" "run it as root, or say with --der FILE"
    chmod 600 closed.pem
    no_change user_enroll closed.pem
    said closed.pem "open: Permission denied" "run it as root"
fi

# --- with mokutil -----------------------------------------------------------

step "the real mokutil, on firmware that is a folder"
command -v mokutil >/dev/null || fail "mokutil is not installed"
((EUID == 0)) || skip "only root can put a folder in the place of /sys/firmware"
mkdir "$scratch/efivars" "$scratch/stand-in"
efi_variable "$scratch/efivars" SecureBoot
efi_variable "$scratch/efivars" SetupMode
export EFIVARFS_PATH=/sys/firmware/efi/efivars/

# on_firmware COMMAND…: /sys/firmware/efi/efivars is $scratch/efivars, for the command alone.
on_firmware() {
    # shellcheck disable=SC2016 # its own words
    unshare -m bash -c 'mount -t tmpfs none /sys/firmware && mkdir -p /sys/firmware/efi/efivars &&
        mount --bind "$1" /sys/firmware/efi/efivars && shift && "$@"' - "$scratch/efivars" "$@"
}
with_password() { printf 'password1\npassword1\n' | on_firmware "$@"; }

expect_exit 1 on_firmware "$bin/ksign" keys enroll MOK.pem
expect_in "$out" "mokutil:     MOK.der is not enrolled"
expect_exit 0 with_password "$bin/ksign" keys enroll --yes --json MOK.pem
expect_json 'd["enrollment"]["imported"], d["enrollment"]["state"]' "(True, 'not enrolled')"
expect_in "$err" "input password"
compgen -G "$scratch/efivars/MokNew-*" >/dev/null || fail "mokutil made no request"
[[ $(on_firmware mokutil --list-new) == *"ksign test key p384"* ]] || fail "mokutil requests another: $(on_firmware mokutil --list-new)"
expect_exit 1 on_firmware "$bin/ksign" keys enroll MOK.pem
expect_in "$out" "requested, to be confirmed at the next boot"
# Once more: nothing is asked.
expect_exit 0 on_firmware "$bin/ksign" keys enroll --yes MOK.pem
# What MokManager and shim do at the next boot.
rm "$scratch"/efivars/Mok{New,Auth}-*
efi_variable "$scratch/efivars" MokListRT "$keys/p384.der"
expect_exit 0 on_firmware "$bin/ksign" keys enroll MOK.pem
[[ $(on_firmware mokutil --test-key MOK.der || true) == "MOK.der is already enrolled" ]] || fail "mokutil says otherwise"

step "the real mokutil refuses; and there is none"
expect_exit 1 on_firmware "$bin/ksign" keys enroll --yes mine.pem --der elsewhere.der </dev/null
expect_in "$err" "elsewhere.der: was not imported: mokutil ended with exit code"
expect_exit 1 "$bin/ksign" keys enroll --yes MOK.pem
expect_in "$err" "was not started by UEFI firmware"
