# shellcheck shell=bash disable=SC2154,SC2164 # variables of environment.sh; set -e of run
# sign-file -s: a signature that was made elsewhere, as distributions do it whose
# keys are not where they build.
new_module m.ko
silently sign-file -d sha256 "$keys/rsa2048.key" "$keys/rsa2048.der" m.ko
mv m.ko.p7s raw.p7s

step "in place, and to a destination, as the kernel's sign-file"
new_module theirs/m.ko
new_module ours/m.ko
reference-sign-file -s raw.p7s sha256 "$keys/rsa2048.der" theirs/m.ko
silently sign-file -s raw.p7s sha256 "$keys/rsa2048.der" ours/m.ko
diff -r theirs ours
expect_signed ours/m.ko rsa2048 sha256

new_module theirs/m.ko
new_module ours/m.ko
reference-sign-file -s raw.p7s sha256 "$keys/rsa2048.der" theirs/m.ko theirs/dest.ko
silently sign-file -s raw.p7s sha256 "$keys/rsa2048.der" ours/m.ko ours/dest.ko
diff -r theirs ours
silently sign-file -s raw.p7s sha256 "$keys/rsa2048.der" ours/m.ko ours/m.ko
cmp ours/m.ko theirs/dest.ko

step "with openssl's own signature, by an ECDSA key"
openssl cms -sign -binary -noattr -nosmimecap -nocerts -md sha512 -outform DER -in "$samples/sample.ko" \
    -signer "$keys/p384.pem" -inkey "$keys/p384.key" -out raw-p384.p7s
new_module m.ko
silently sign-file -s raw-p384.p7s sha512 "$keys/p384.der" m.ko
expect_signed m.ko p384 sha512

step "a module that is signed already gets this one in place of its own"
new_module m.ko
silently sign-file sha512 "$keys/p384.key" "$keys/p384.der" m.ko
silently sign-file -s raw.p7s sha256 "$keys/rsa2048.der" m.ko
expect_signed m.ko rsa2048 sha256

step "a compressed module"
for container in xz zst gz; do
    new_module "m.ko.$container" "$container"
    silently sign-file -s raw.p7s sha256 "$keys/rsa2048.der" "m.ko.$container"
    expect_signed "m.ko.$container" rsa2048 sha256
    expect_loadable "m.ko.$container" "$container"
done

step "a signature of another module, by another key, with another hash; none at all"
new_module case/m.ko plain other
# The message is about the signature, so it names no module.
wrong_raw() {
    local cause=$1
    shift
    no_change expect_exit 1 sign-file -s "$@"
    expect_in "$err" "$cause"
}
wrong_raw "not a signature of this module" raw.p7s sha256 "$keys/rsa2048.der" case/m.ko
new_module case/m.ko
wrong_raw "not a signature of this module" raw.p7s sha256 "$keys/stranger.der" case/m.ko
wrong_raw "not a signature of this module" raw.p7s sha512 "$keys/rsa2048.der" case/m.ko
echo nonsense >nonsense.p7s
: >empty.p7s
wrong_raw "not a CMS message" nonsense.p7s sha256 "$keys/rsa2048.der" case/m.ko
wrong_raw "not a CMS message" empty.p7s sha256 "$keys/rsa2048.der" case/m.ko
wrong_raw "No such file or directory" missing.p7s sha256 "$keys/rsa2048.der" case/m.ko
wrong_raw "read: Is a directory" case sha256 "$keys/rsa2048.der" case/m.ko

step "one with its content in it, which no kernel takes, whoever the certificate is of"
openssl cms -sign -binary -noattr -nosmimecap -nocerts -nodetach -md sha256 -outform DER -in case/m.ko \
    -signer "$keys/rsa2048.pem" -inkey "$keys/rsa2048.key" -out content.p7s
for certificate in "$keys/rsa2048.der" none; do
    wrong_raw "carries its content" content.p7s sha256 "$certificate" case/m.ko
done
wrong_raw "not a CMS message" nonsense.p7s sha256 none case/m.ko

step "others that no kernel takes"
cms() {
    openssl cms -sign -binary -noattr -nosmimecap -md sha256 -outform DER -in case/m.ko -signer "$keys/rsa2048.pem" \
        -inkey "$keys/rsa2048.key" -out other.p7s "$@"
}
cms -nocerts -econtent_type 1.2.3.4
wrong_raw "no kernel takes it: its content is of a type" other.p7s sha256 none case/m.ko
openssl genpkey -algorithm ed25519 -out ed25519.key
openssl req -new -x509 -key ed25519.key -subj /CN=ed25519 -out ed25519.pem
cms -certfile ed25519.pem
wrong_raw "no kernel takes it" other.p7s sha256 none case/m.ko
cms -nocerts
silently sign-file -s other.p7s sha256 none case/m.ko
