# shellcheck shell=bash disable=SC2154,SC2164 # variables of environment.sh; set -e of run
# Keys on a token, and the ways that a PIN can come.
make_token
echo 123456 >pin
printf '123456' >pin-without-newline
printf '123456\r\nmore\n' >pin-of-windows
chmod 600 pin pin-*

# fresh CONTAINER: the module that is signed next.
fresh() {
    rm -f m.ko m.ko.p7s
    new_module m.ko "${1:-plain}"
}

step "sign-file, PIN by KBUILD_SIGN_PIN: with RSA the bytes of the same key in a file"
reference-sign-file sha256 "$keys/rsa2048.key" "$keys/rsa2048.der" "$samples/sample.ko" expected.ko
fresh
KBUILD_SIGN_PIN=123456 silently sign-file sha256 "$(uri rsa2048)" "$keys/rsa2048.der" m.ko
cmp m.ko expected.ko
fresh
KBUILD_SIGN_PIN=123456 silently sign-file -p sha256 "pkcs11:token=ksign-test;id=%01" "$keys/rsa2048.pem" m.ko
cmp m.ko expected.ko
for hash in sha256 sha384 sha512; do
    fresh xz
    KBUILD_SIGN_PIN=123456 silently sign-file "$hash" "$(uri p384)" "$keys/p384.der" m.ko
    expect_signed m.ko p384 "$hash"
done

step "ksign sign, PIN by KBUILD_SIGN_PIN"
for key in rsa2048 p384; do
    fresh zst
    KBUILD_SIGN_PIN=123456 expect_exit 0 ksign sign --hash sha512 --key "$(uri $key)" --certificate "$keys/$key.der" m.ko
    expect_signed m.ko $key sha512
    [[ ! -s $err ]] || fail "said: $(<"$err")"
done
token_key=(--key "$(uri rsa2048)" --certificate "$keys/rsa2048.der" --hash sha256)

step "--pin-file: with a newline, without, of Windows, through a pipe; it comes before KBUILD_SIGN_PIN"
for file in pin pin-without-newline pin-of-windows; do
    fresh
    KBUILD_SIGN_PIN=000000 expect_exit 0 ksign sign "${token_key[@]}" --pin-file $file m.ko
    cmp m.ko expected.ko
done
fresh
# shellcheck disable=SC2016 # for the inner shell
expect_exit 0 bash -c '"$@" --pin-file <(cat pin) m.ko' sh "$bin/ksign" sign "${token_key[@]}"
cmp m.ko expected.ko

step "pin-file of ksign.conf: sign, post-build, sign-tool"
cat >ksign.conf <<END
key = $(uri rsa2048)
certificate = $keys/rsa2048.der
pin-file = $PWD/pin
hash = sha256
END
fresh
expect_exit 0 ksign sign --config ksign.conf m.ko
cmp m.ko expected.ko
fresh
silently ksign sign-tool --config ksign.conf 0.0.0-none m.ko
cmp m.ko expected.ko
new_module tree/package/1.0/0.0.0-none/x86_64/module/m.ko
expect_exit 0 post-build --config ksign.conf --dkms-tree tree --module package --module-version 1.0 -k 0.0.0-none --arch x86_64
cmp tree/package/1.0/0.0.0-none/x86_64/module/m.ko expected.ko

step "an empty KBUILD_SIGN_PIN is none, so that pin-file counts"
fresh
KBUILD_SIGN_PIN='' expect_exit 0 ksign sign --config ksign.conf m.ko
cmp m.ko expected.ko

step "PIN in the URI"
for pin in "pin-value=123456" "pin-source=$PWD/pin-without-newline" "pin-source=file:$PWD/pin-without-newline"; do
    fresh
    silently sign-file sha256 "$(uri rsa2048)?$pin" "$keys/rsa2048.der" m.ko
    cmp m.ko expected.ko
done

step "no PIN where anybody may read it"
expect_exit 0 ksign sign "${token_key[@]}" --pin-file pin --json --force m.ko
expect_not_in "$out" 123456
expect_exit 0 ksign sign --key "$(uri rsa2048)?pin-value=123456" --certificate "$keys/rsa2048.der" --force m.ko
expect_not_in "$out" 123456
expect_not_in "$err" 123456
