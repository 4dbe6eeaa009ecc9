# shellcheck shell=bash disable=SC2154,SC2164 # variables of environment.sh; set -e of run
# With RSA, sign-file writes byte for byte what the kernel's sign-file writes.

# same_as_reference OPTIONS… -- HASH KEY: both sign a copy; modules and what lies
# beside them are equal, and ours says nothing.
same_as_reference() {
    local options=()
    while [[ $1 != -- ]]; do
        options+=("$1")
        shift
    done
    local hash=$2 key=$3 certificate=${4:-$keys/$3.der}
    echo "sign-file ${options[*]} $hash $key"
    rm -rf theirs ours
    new_module theirs/m.ko
    new_module ours/m.ko
    (cd theirs && reference-sign-file "${options[@]}" "$hash" "$keys/$key.key" "$certificate" m.ko)
    (cd ours && silently sign-file "${options[@]}" "$hash" "$keys/$key.key" "$certificate" m.ko)
    diff -r theirs ours || fail "not what the kernel's sign-file writes"
}

for key in rsa2048 rsa4096; do
    for hash in sha256 sha384 sha512; do
        same_as_reference -- "$hash" "$key"
        expect_signed ours/m.ko "$key" "$hash"
        same_as_reference -k -- "$hash" "$key"
        same_as_reference -p -- "$hash" "$key"
        expect_files ours m.ko m.ko.p7s
        same_as_reference -d -- "$hash" "$key"
        expect_files ours m.ko m.ko.p7s
        cmp ours/m.ko "$samples/sample.ko"
        same_as_reference -dkp -- "$hash" "$key"
    done
done

step "the certificate in PEM; one that another key has issued; hash names in capitals"
same_as_reference -- sha256 rsa2048 "$keys/rsa2048.pem"
same_as_reference -- SHA256 rsa2048
same_as_reference -- sha512 issued
[[ $(module_information signer ours/m.ko) == "ksign test key rsa2048" ]] || fail "not named by its issuer"

step "key and certificate in one file"
rm -rf theirs ours
new_module theirs/m.ko
new_module ours/m.ko
reference-sign-file sha256 "$keys/both.pem" "$keys/both.pem" theirs/m.ko
silently sign-file sha256 "$keys/both.pem" "$keys/both.pem" ours/m.ko
cmp theirs/m.ko ours/m.ko

step "a key with a passphrase, in both of PEM's forms"
for encrypted in encrypted encrypted-old; do
    new_module ours/m.ko
    KBUILD_SIGN_PIN=correct silently sign-file sha256 "$keys/$encrypted.key" "$keys/rsa2048.der" ours/m.ko
    cmp theirs/m.ko ours/m.ko
done

step "to a destination; the module itself as one, under two names"
for destination in dest.ko ./dest.ko "$PWD/dest.ko" "with space.ko"; do
    rm -rf theirs ours
    new_module theirs/m.ko
    new_module ours/m.ko
    (cd theirs && reference-sign-file -p sha256 "$keys/rsa2048.key" "$keys/rsa2048.der" m.ko "${destination//$PWD/.}")
    (cd ours && silently sign-file -p sha256 "$keys/rsa2048.key" "$keys/rsa2048.der" m.ko "${destination//$PWD/$PWD/ours}")
    diff -r theirs ours
    cmp ours/m.ko "$samples/sample.ko" || fail "the module itself was changed"
done
for destination in m.ko ./m.ko "$PWD/ours/m.ko"; do
    new_module ours/m.ko
    rm -f ours/m.ko.p7s "ours/with space.ko"
    (cd ours && silently sign-file sha256 "$keys/rsa2048.key" "$keys/rsa2048.der" m.ko "$destination")
    cmp theirs/"with space.ko" ours/m.ko
    expect_files ours m.ko
done

step "a destination that exists is replaced; one that is a link leads to its target"
new_module m.ko
echo old >old.ko
ln -s old.ko link.ko
silently sign-file sha256 "$keys/rsa2048.key" "$keys/rsa2048.der" m.ko link.ko
[[ -L link.ko ]] || fail "the link was replaced"
cmp theirs/"with space.ko" old.ko

step "-d with a destination writes MODULE.p7s only"
rm -rf theirs ours
new_module theirs/m.ko
new_module ours/m.ko
(cd theirs && reference-sign-file -d sha256 "$keys/rsa2048.key" "$keys/rsa2048.der" m.ko dest.ko)
(cd ours && silently sign-file -d sha256 "$keys/rsa2048.key" "$keys/rsa2048.der" m.ko dest.ko)
diff -r theirs ours
