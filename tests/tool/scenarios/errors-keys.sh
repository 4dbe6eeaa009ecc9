# shellcheck shell=bash disable=SC2154,SC2164 # variables of environment.sh; set -e of run
# Keys and certificates that can't be used: an error that names the file and says
# why, for sign and sign-file alike, and the module as it was.
new_module m.ko

# both_refuse KEY CERTIFICATE SUBJECT CAUSE HINT
both_refuse() {
    local key=$1 certificate=$2 subject=$3 cause=$4 hint=$5
    echo "$(basename "$key"), $(basename "$certificate"): $cause"
    refused "$subject" "$cause" "$hint" ksign sign --key "$key" --certificate "$certificate" m.ko
    refused "$subject" "$cause" "$hint" sign-file sha512 "$key" "$certificate" m.ko
}

step "no pair"
both_refuse "$keys/rsa2048.key" "$keys/stranger.der" "$keys/stranger.der" "is not the certificate of the key $keys/rsa2048.key" \
    "a key and a certificate that were made together"
both_refuse "$keys/rsa2048.key" "$keys/p256.der" "$keys/p256.der" "is not the certificate of the key" "made together"
both_refuse "$keys/p384.key" "$keys/p256.der" "$keys/p256.der" "is not the certificate of the key" "made together"

step "nothing there, and something else there"
mkdir folder
echo "not a key" >text
: >empty
both_refuse missing.key "$keys/rsa2048.der" missing.key "No such file or directory" ""
both_refuse "$keys/rsa2048.key" missing.der missing.der "No such file or directory" ""
both_refuse text "$keys/rsa2048.der" text "holds no private key in PEM" "pkcs11: URI"
both_refuse empty "$keys/rsa2048.der" empty "holds no private key in PEM" "pkcs11: URI"
both_refuse folder "$keys/rsa2048.der" folder "Is a directory" ""
both_refuse "$keys/rsa2048.key" text text "holds no certificate in DER or PEM" "the certificate that belongs to the key"
both_refuse "$keys/rsa2048.key" empty empty "holds no certificate in DER or PEM" "the certificate that belongs to the key"
both_refuse "$keys/rsa2048.pem" "$keys/rsa2048.pem" "$keys/rsa2048.pem" "holds no private key in PEM" "name the key's file"
# The key's file holds no certificate.
both_refuse "$keys/rsa2048.key" "$keys/rsa2048.key" "$keys/rsa2048.key" "holds no certificate in DER or PEM" "the certificate that belongs"
sed '5s/.*/AAAA/' "$keys/rsa2048.key" >damaged.key
chmod 600 damaged.key
both_refuse damaged.key "$keys/rsa2048.der" damaged.key "read the private key: " ""
head -c 200 "$keys/rsa2048.der" >cut.der
both_refuse "$keys/rsa2048.key" cut.der cut.der "holds no certificate in DER or PEM" "the certificate that belongs"
head -c 2000000 /dev/zero >huge
both_refuse huge "$keys/rsa2048.der" huge "is larger than the" ""

step "a passphrase that is missing or wrong: no question, no waiting, and never said"
for key in encrypted encrypted-old; do
    both_refuse "$keys/$key.key" "$keys/rsa2048.der" "$keys/$key.key" "needs a passphrase, and there is none" "--pin-file"
    export KBUILD_SIGN_PIN=incorrect
    both_refuse "$keys/$key.key" "$keys/rsa2048.der" "$keys/$key.key" "(a wrong passphrase?)" "pin-file in ksign.conf"
    expect_not_in "$err" "=incorrect"
    unset KBUILD_SIGN_PIN
done
(umask 077 && echo incorrect >pin)
refused "$keys/encrypted.key" "(a wrong passphrase?)" "--pin-file" \
    ksign sign --key "$keys/encrypted.key" --certificate "$keys/rsa2048.der" --pin-file pin m.ko
KBUILD_SIGN_PIN=$(head -c 2000 /dev/zero | tr '\0' x)
export KBUILD_SIGN_PIN
both_refuse "$keys/encrypted.key" "$keys/rsa2048.der" "$keys/encrypted.key" "the passphrase is too long" ""
unset KBUILD_SIGN_PIN

step "types of keys that no kernel verifies modules with"
both_refuse "$keys/ed25519.key" "$keys/ed25519.pem" "$keys/ed25519.key" "ksign does not sign with keys of this type (ED25519)" \
    "use RSA, ECDSA on P-256, P-384 or P-521, or ML-DSA"
both_refuse "$keys/secp256k1.key" "$keys/secp256k1.der" "$keys/secp256k1.key" \
    "ksign does not sign with keys of this type (EC on another curve)" "use RSA, ECDSA on P-256, P-384 or P-521, or ML-DSA"

step "no key at all"
refused "signing key" "none was named" "-k RELEASE" ksign sign --root "$PWD/folder" m.ko
expect_in "$err" "--key FILE --certificate FILE"
expect_in "$err" "$PWD/folder/etc/ksign/ksign.conf"

step "hashes that there are not"
refused md5 "is not a hash that kernels verify modules with" "" sign-file md5 "$keys/rsa2048.key" "$keys/rsa2048.der" m.ko
refused sha999 "is not a hash" "" sign-file sha999 "$keys/rsa2048.key" "$keys/rsa2048.der" m.ko

step "the passphrase that is right"
echo correct >pin
expect_exit 0 ksign sign --key "$keys/encrypted.key" --certificate "$keys/rsa2048.der" --pin-file pin m.ko
expect_signed m.ko rsa2048 sha512
new_module m.ko
printf 'key = %s\ncertificate = %s\npin-file = pin\n' "$keys/encrypted-old.key" "$keys/rsa2048.der" >ksign.conf
expect_exit 0 ksign sign --config ksign.conf m.ko
expect_signed m.ko rsa2048 sha512
