# shellcheck shell=bash disable=SC2154,SC2164 # variables of environment.sh; set -e of run
# Certificates on a token, for a key on it or elsewhere. A PIN is asked for only
# where the token wants it, and once.
make_token
add_certificate rsa2048 01
# pkcs11-tool can't mark it so.
p11tool --provider "$softhsm_module" --login --set-pin=123456 --write --load-certificate="$keys/p384.pem" --label p384 \
    --id 02 --mark-private "pkcs11:token=ksign-test"
(umask 077 && echo 123456 >pin)
certificate_uri="pkcs11:token=ksign-test;object=rsa2048;type=cert"

# signs KEY COMMAND…: with the module m.ko, fresh, as last word.
signs() {
    local key=$1
    shift
    new_module m.ko
    expect_exit 0 "$@" m.ko
    expect_not_in "$out" 123456
    expect_not_in "$err" 123456
    expect_signed m.ko "$key" sha256
}

step "the key's URI alone: its certificate is that of the same name on the token"
signs rsa2048 ksign sign --hash sha256 --pin-file pin --key "$(uri rsa2048)"
signs rsa2048 ksign sign --hash sha256 --pin-file pin --key "pkcs11:token=ksign-test;object=rsa2048"
signs rsa2048 ksign sign --hash sha256 --pin-file pin --key "pkcs11:token=ksign-test;id=%01"
signs rsa2048 ksign sign --hash sha256 --key "$(uri rsa2048)?pin-value=123456"

step "a certificate by its own URI, for a key on the token and for one in a file"
signs rsa2048 ksign sign --hash sha256 --pin-file pin --key "$(uri rsa2048)" --certificate "$certificate_uri"
signs rsa2048 ksign sign --hash sha256 --pin-file pin --key "$(uri rsa2048)" --certificate "pkcs11:token=ksign-test;id=%01"
signs rsa2048 ksign sign --hash sha256 --key "$keys/rsa2048.key" --certificate "$certificate_uri"
KBUILD_SIGN_PIN=123456 signs rsa2048 sign-file sha256 "$(uri rsa2048)" "$certificate_uri"
KBUILD_SIGN_PIN=123456 signs rsa2048 sign-file sha256 "$(uri rsa2048)" "$(uri rsa2048)"
signs rsa2048 sign-file sha256 "$keys/rsa2048.key" "$certificate_uri"

step "a certificate that the token shows only to its user"
signs p384 ksign sign --hash sha256 --pin-file pin --key "$(uri p384)"
signs p384 ksign sign --hash sha256 --key "$(uri p384)?pin-source=$PWD/pin" --certificate "pkcs11:token=ksign-test;object=p384"
signs p384 ksign sign --hash sha256 --pin-file pin --key "$keys/p384.key" --certificate "$(uri p384)"
new_module case/m.ko
refused "$(uri p384)" "no PIN was given" "--pin-file" ksign sign --key "$(uri p384)" case/m.ko
expect_in "$err" "find the certificate in the token"

step "ksign.conf: the key alone, or with a certificate"
printf '%s\n' "key = $(uri rsa2048)" "pin-file = $PWD/pin" "hash = sha256" >ksign.conf
signs rsa2048 ksign sign --config ksign.conf
echo "certificate = $certificate_uri" >>ksign.conf
signs rsa2048 ksign sign --config ksign.conf
signs rsa2048 sign-tool --config ksign.conf 0.0.0-none

step "pin-source: as RFC 7512 writes it, percent-encoded, with a line end, through a pipe"
mkdir "a folder"
cp pin "a folder/pin;1"
for source in "file:$PWD/pin" "file://$PWD/pin" "$PWD/a%20folder/pin%3B1" "file:$PWD/a%20folder/pin%3b1"; do
    signs rsa2048 ksign sign --hash sha256 --key "$(uri rsa2048)?pin-source=$source"
    signs rsa2048 sign-file sha256 "$(uri rsa2048)?pin-source=$source" "$keys/rsa2048.der"
done
new_module m.ko
# shellcheck disable=SC2016 # for the inner shell
expect_exit 0 bash -c '"$1" sign --hash sha256 --key "$2?pin-source="<(echo 123456) m.ko' sh "$bin/ksign" "$(uri rsa2048)"
expect_signed m.ko rsa2048 sha256
signs rsa2048 ksign sign --hash sha256 --key "$(uri rsa2048)?pin-value=%31%32345%36"

step "what is wrong with a pin-source is said, and a PIN never, wherever it stands"
refused "$PWD/no-such-pin" "No such file" "" ksign sign --key "$(uri rsa2048)?pin-source=$PWD/no-such-pin" case/m.ko
refused "$(uri rsa2048)" "has more than one PIN" "leave one" \
    ksign sign --key "$(uri rsa2048)?pin-source=$PWD/pin&pin-value=123456" case/m.ko
expect_not_in "$err" 123456
refused "$(uri rsa2048)" "a program can't be the source of a PIN" "name a file" \
    ksign sign --key "$(uri rsa2048)?pin-source=|cat%20pin" case/m.ko
for key in "pkcs11:token=ksign-test;object=nothing;pin-value=123456" "PKCS11:token=ksign-test;object=nothing?pin-value=123456"; do
    refused "pkcs11:token=ksign-test;object=nothing" "object not found" "p11tool" \
        ksign sign --key "$key" --certificate "$keys/rsa2048.der" case/m.ko
    expect_not_in "$err" 123456
done
refused "pkcs11:token=ksign-test;object=rsa2048" "is not the certificate of the key" "made together" \
    ksign sign --key "$keys/stranger.key" --certificate "pkcs11:token=ksign-test;object=rsa2048?pin-value=123456" case/m.ko
expect_not_in "$err" 123456

step "a key without a certificate on the token"
export KBUILD_SIGN_PIN=123456
refused "$(uri stranger)" "find the certificate in the token" "--certificate" ksign sign --key "$(uri stranger)" case/m.ko
unset KBUILD_SIGN_PIN

step "sign-file -s takes a certificate on a token, too, and tells a signature by another key"
openssl cms -sign -binary -noattr -in "$samples/sample.ko" -signer "$keys/rsa2048.pem" -inkey "$keys/rsa2048.key" \
    -md sha256 -outform DER -nocerts -nosmimecap >signature
new_module m.ko
silently sign-file -s signature sha256 "$certificate_uri" m.ko
expect_signed m.ko rsa2048 sha256
openssl cms -sign -binary -noattr -in "$samples/sample.ko" -signer "$keys/stranger.pem" -inkey "$keys/stranger.key" \
    -md sha256 -outform DER -nocerts -nosmimecap >signature
expect_exit 1 sign-file -s signature sha256 "$certificate_uri" case/m.ko
cmp case/m.ko "$samples/sample.ko"

step "on a terminal it is asked for once, though key and certificate both want it"
new_module m.ko
on_terminal 123456 "$bin/ksign" sign --hash sha256 --key "'$(uri p384)'" m.ko || fail "ended with $?: $(<"$shown")"
expect_signed m.ko p384 sha256
[[ $(grep -c 'Passphrase or PIN for' "$shown") == 1 ]] || fail "not asked once: $(<"$shown")"
expect_not_in "$shown" 123456
step "and not at all for a certificate that anybody may see"
new_module m.ko
on_terminal 123456 "$bin/ksign" sign --hash sha256 --key "$keys/rsa2048.key" --certificate "'$certificate_uri'" m.ko ||
    fail "ended with $?: $(<"$shown")"
expect_signed m.ko rsa2048 sha256
expect_not_in "$shown" "Passphrase or PIN for"

step "whoever tells of the certificate of ksign.conf tells no PIN; for DKMS's modules, whether they are signed with its key"
make_root root 1.2.3-test
install_dkms root 1.2.3-test package m
mkdir -p root/etc/dkms root/var/lib/dkms/package/1.0/source
ln -s kernel-sign.conf root/etc/dkms/package.conf
cp "$common/installed/etc/dkms/kernel-sign.conf" root/etc/dkms/
key="$(uri rsa2048)?pin-value=123456"
echo "key = $key" >ksign.conf
built=root/var/lib/dkms/package/1.0/1.2.3-test/x86_64/module/m.ko
expect_exit 0 ksign sign --config ksign.conf "$built"
cp "$built" root/lib/modules/1.2.3-test/updates/dkms/
expect_exit 0 ksign dkms status --root root --config ksign.conf
expect_in "$out" "($(uri rsa2048))"
expect_not_in "$out" 123456
expect_exit 0 ksign dkms status --root root --config ksign.conf --json
expect_json '[(b["key_origin"], b["stale"], b["problems"]) for b in d["packages"][0]["builds"]]' "[('$(uri rsa2048)', 0, [])]"
expect_exit 0 ksign sign --key "$keys/stranger.key" --certificate "$keys/stranger.der" "$built"
expect_exit 1 ksign dkms status --root root --config ksign.conf
expect_in "$out" "1 module not signed by today's key ($(uri rsa2048))"
expect_not_in "$out" 123456
echo "key = pkcs11:token=nothing?pin-value=123456" >other.conf
expect_exit 1 ksign dkms status --root root --config other.conf --json
expect_not_in "$out" 123456
mkdir -p root/sys/firmware/efi/efivars
for form in "" --json; do
    # shellcheck disable=SC2086 # no word where it is empty
    expect_exit 1 ksign keys enroll --root root -k 1.2.3-test --config ksign.conf --der MOK.der $form
    expect_in "$out" "$(uri rsa2048)"
    expect_not_in "$out" 123456
    expect_not_in "$err" 123456
done
expect_exit 1 ksign keys enroll --root root -k 1.2.3-test --der MOK.der "$key"
expect_in "$out" "  ksign keys enroll -k 1.2.3-test --root root '$(uri rsa2048)'    says"
expect_not_in "$out" 123456
refused "$(uri rsa2048)" "this certificate is in a token" "say with --der FILE" \
    ksign keys enroll --root root -k 1.2.3-test "PKCS11:${key#pkcs11:}"
expect_not_in "$err" 123456
