# shellcheck shell=bash disable=SC2154,SC2164 # variables of environment.sh; set -e of run
# A private key that others than its owner can get at is refused, with the command
# that mends it; --insecure and insecure-keys take it all the same.
mkdir -m 755 store
cp "$keys/rsa2048.key" store/key
cp "$keys/rsa2048.der" .
signing=(ksign sign --key "$PWD/store/key" --certificate rsa2048.der)
new_module case/m.ko

signs() {
    new_module m.ko
    expect_exit 0 "$@" m.ko
    expect_signed m.ko rsa2048 sha512
    [[ ! -s $err ]] || fail "said: $(<"$err")"
}

# mended: does what the hint says, and no more.
mended() {
    local remedy
    remedy=$(sed -n 's/^  hint: \(chmod .*\); if it must be .*/\1/p' "$err")
    [[ -n $remedy ]] || fail "no command in: $(<"$err")"
    eval "$remedy"
}

step "modes that are right"
for mode in 400 600 640 440; do
    chmod $mode store/key
    signs "${signing[@]}"
done

step "modes that are not: by each way in which a key comes; what the hint says mends it"
printf '%s\n' "key = $PWD/store/key" "certificate = $PWD/rsa2048.der" >ksign.conf
while read -r mode who remedy; do
    for command in "${signing[*]}" "sign-file sha512 $PWD/store/key rsa2048.der" "ksign sign --config ksign.conf" \
        "sign-tool --config ksign.conf 0.0.0-none"; do
        chmod "$mode" store/key
        read -ra words <<<"$command"
        refused "$PWD/store/key" "${who//_/ } (mode 0$mode)" "$remedy $PWD/store/key" "${words[@]}" case/m.ko
    done
    mended
    signs "${signing[@]}"
done <<'MODES'
644 anybody_may_read_it chmod o-r
604 anybody_may_read_it chmod o-r
660 its_group_may_write_to_it chmod g-w
602 anybody_may_write_to_it chmod o-w
666 anybody_may_read_and_write_it chmod g-w,o-rw
664 anybody_may_read_it chmod g-w,o-r
777 anybody_may_read_and_write_it chmod g-w,o-rw
MODES
chmod 600 store/key

step "a folder that anybody may write to, also where a link leads there; not with the sticky bit"
chmod 777 store
refused "$PWD/store/key" "anybody may replace it: they may write to its folder $PWD/store (mode 0777)" \
    "chmod o-w $PWD/store" "${signing[@]}" case/m.ko
ln -s store/key link
refused link "they may write to its folder $PWD/store" "chmod o-w" ksign sign --key link --certificate rsa2048.der case/m.ko
mended
signs ksign sign --key link --certificate rsa2048.der
chmod 1777 store
signs "${signing[@]}"
chmod 775 store
signs "${signing[@]}"

step "a name that a shell would take apart"
cp store/key "store/it's a key"
chmod 644 "store/it's a key"
refused "store/it's a key" "anybody may read it" "chmod o-r" ksign sign --key "store/it's a key" --certificate rsa2048.der case/m.ko
mended
signs ksign sign --key "store/it's a key" --certificate rsa2048.der

step "a kernel's own key, and one that has its certificate with it"
make_root root 1.2.3-test
make_certs_local "$build_folder" rsa2048
module=root/lib/modules/1.2.3-test/updates/dkms/m.ko
chmod 644 "$build_folder/certs-local/current/signing_prv.pem"
new_module "$module"
refused "$build_folder/certs-local/20240101-1200/signing_prv.pem" "anybody may read it" "chmod o-r" ksign sign -k 1.2.3-test --root root m
chmod 644 "$build_folder/certs-local/current/signing_key.pem"
rm "$build_folder/certs-local/current/signing_prv.pem"
refused "$build_folder/certs-local/20240101-1200/signing_key.pem" "anybody may read it" "chmod o-r" ksign sign -k 1.2.3-test --root root m

step "--insecure and insecure-keys take it"
chmod 666 store/key
chmod 777 store
signs "${signing[@]}" --insecure
echo 'insecure-keys = yes' >>ksign.conf
signs ksign sign --config ksign.conf
signs sign-tool --config ksign.conf 0.0.0-none
signs "${signing[@]}" --config ksign.conf
sed -i 's/= yes/= no/' ksign.conf
refused "$PWD/store/key" "anybody may read" "chmod" ksign sign --config ksign.conf case/m.ko
signs ksign sign --config ksign.conf --insecure
sed -i 's/= no/= maybe/' ksign.conf
refused ksign.conf "insecure-keys = maybe: expected no or yes" "ksign.conf(5)" ksign sign --config ksign.conf case/m.ko

step "the file of a passphrase as that of a key, by each way in which it comes, but for a pipe"
chmod 600 store/key
chmod 755 store
echo correct >pin
encrypted=(--key "$keys/encrypted.key" --certificate rsa2048.der)
refused pin "anybody may read it (mode 0644)" "chmod o-r pin; if it must be as it is: --insecure" \
    ksign sign "${encrypted[@]}" --pin-file pin case/m.ko
signs ksign sign "${encrypted[@]}" --pin-file pin --insecure
chmod 640 pin
signs ksign sign "${encrypted[@]}" --pin-file pin
chmod 644 pin
printf '%s\n' "key = $keys/encrypted.key" "certificate = $PWD/rsa2048.der" "pin-file = $PWD/pin" >ksign.conf
for command in "ksign sign --config ksign.conf" "sign-tool --config ksign.conf 0.0.0-none"; do
    read -ra words <<<"$command"
    refused "$PWD/pin" "anybody may read it" "chmod o-r" "${words[@]}" case/m.ko
    echo 'insecure-keys = yes' >>ksign.conf
    signs "${words[@]}"
    sed -i '$d' ksign.conf
done
refused "$PWD/pin" "anybody may read it" "chmod o-r" "${words[@]}" case/m.ko
mended
signs ksign sign --config ksign.conf
signs ksign sign "${encrypted[@]}" --pin-file pin
mkfifo -m 644 fifo
echo correct >fifo &
signs ksign sign "${encrypted[@]}" --pin-file fifo

step "what is no private key is told as that, whatever its mode"
refused "$keys/rsa2048.pem" "holds no private key in PEM" "name the key's file" ksign sign --key "$keys/rsa2048.pem" case/m.ko

step "a key through a pipe, where nobody else is"
new_module m.ko
# shellcheck disable=SC2016 # for the inner shell
expect_exit 0 bash -c '"$1" sign --key <(cat "$2") --certificate rsa2048.der m.ko' sh "$bin/ksign" "$keys/rsa2048.key"
expect_signed m.ko rsa2048 sha512
