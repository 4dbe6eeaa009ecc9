# shellcheck shell=bash disable=SC2154,SC2164 # variables of environment.sh; set -e of run
# Keys on a token that can't be used. DKMS passes no PIN on and has no terminal, so
# where there is none, an error must come, not a question. Every message says what
# to do, and none holds a PIN: DKMS's logs are for everybody to read.
make_token
(umask 077 && echo 000000 >wrong-pin)
token_key=(--key "$(uri rsa2048)" --certificate "$keys/rsa2048.der" --hash sha256)
reference-sign-file sha256 "$keys/rsa2048.key" "$keys/rsa2048.der" "$samples/sample.ko" expected.ko

step "no PIN: an error that says where to put it, no question and no waiting"
mkdir case
new_module case/m.ko
# key_refused URI CAUSE HINT COMMAND…: as refused(), but the message is about the key.
key_refused() {
    local subject=$1 cause=$2 hint=$3
    shift 3
    refused "$subject" "$cause" "$hint" "$@"
    expect_not_in "$err" 123456
    expect_not_in "$err" 000000
}
key_refused "$(uri rsa2048)" "no PIN was given" "pin-file in ksign.conf" \
    sign-file sha256 "$(uri rsa2048)" "$keys/rsa2048.der" case/m.ko
key_refused "$(uri rsa2048)" "no PIN was given" "--pin-file" ksign sign "${token_key[@]}" case/m.ko

step "a wrong PIN"
KBUILD_SIGN_PIN=000000 key_refused "$(uri rsa2048)" "(a wrong PIN, or no such key?)" "pin-file in ksign.conf" \
    sign-file sha256 "$(uri rsa2048)" "$keys/rsa2048.der" case/m.ko
key_refused "$(uri rsa2048)" "(a wrong PIN, or no such key?)" "--pin-file" ksign sign "${token_key[@]}" --pin-file wrong-pin case/m.ko
key_refused "$PWD/no-such-pin" "No such file" "" ksign sign "${token_key[@]}" --pin-file "$PWD/no-such-pin" case/m.ko
(umask 077 && : >empty-pin)
key_refused "$(uri rsa2048)" "(a wrong PIN, or no such key?)" "--pin-file" ksign sign "${token_key[@]}" --pin-file empty-pin case/m.ko

step "the right PIN still works: none of these locked the token"
new_module m.ko
KBUILD_SIGN_PIN=123456 silently sign-file sha256 "$(uri rsa2048)" "$keys/rsa2048.der" m.ko
cmp m.ko expected.ko

step "an object that is not there, a token that is not there, another key's certificate"
export KBUILD_SIGN_PIN=123456
key_refused "$(uri nothing)" "find the key in the token: object not found" "p11tool --list-all" \
    sign-file sha256 "$(uri nothing)" "$keys/rsa2048.der" case/m.ko
key_refused "pkcs11:token=nothing" "find the key in the token: object not found" "p11tool --list-all" \
    sign-file sha256 "pkcs11:token=nothing;object=rsa2048" "$keys/rsa2048.der" case/m.ko
key_refused "$keys/rsa2048.der" "is not the certificate of the key" "made together" \
    sign-file sha256 "$(uri stranger)" "$keys/rsa2048.der" case/m.ko
key_refused "$keys/p384.der" "is not the certificate of the key" "made together" \
    ksign sign --key "$(uri rsa2048)" --certificate "$keys/p384.der" case/m.ko

step "a PIN in the URI that is wrong: it is not said"
unset KBUILD_SIGN_PIN
key_refused "pkcs11:token=ksign-test;object=rsa2048" "PIN incorrect" "p11tool" \
    sign-file sha256 "$(uri rsa2048)?pin-value=000000" "$keys/rsa2048.der" case/m.ko
key_refused "$keys/stranger.der" "is not the certificate of the key" "made together" \
    sign-file sha256 "$(uri rsa2048)?pin-value=123456" "$keys/stranger.der" case/m.ko

step "an engine's own words are not mixed into ours"
KBUILD_SIGN_PIN=000000 key_refused "$(uri rsa2048)" "(a wrong PIN, or no such key?)" "pin-file in ksign.conf" \
    sign-file sha256 "$(uri rsa2048)" "$keys/rsa2048.der" case/m.ko
[[ $(grep -cv -e '^ksign: ' -e '^  hint: ' "$err") == 0 ]] || fail "standard error has more than a message: $(<"$err")"
