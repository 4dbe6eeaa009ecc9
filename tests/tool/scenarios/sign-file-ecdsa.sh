# shellcheck shell=bash disable=SC2154,SC2164 # variables of environment.sh; set -e of run
# ECDSA signatures differ at each run; openssl says that they are right, and kmod
# that they say what those of the kernel's sign-file say.
for key in p256 p384 p521; do
    for hash in sha256 sha384 sha512; do
        new_module theirs.ko
        new_module ours.ko
        reference-sign-file "$hash" "$keys/$key.key" "$keys/$key.der" theirs.ko
        silently sign-file "$hash" "$keys/$key.key" "$keys/$key.der" ours.ko
        # Also checks that the same verification fails with a byte flipped.
        expect_signed theirs.ko "$key" "$hash"
        expect_signed ours.ko "$key" "$hash"
        for field in signer sig_id sig_key sig_hashalgo name license description; do
            [[ $(modinfo -F "$field" ours.ko) == "$(modinfo -F "$field" theirs.ko)" ]] ||
                fail "$key, $hash: modinfo: $field is $(modinfo -F "$field" ours.ko), not $(modinfo -F "$field" theirs.ko)"
        done
        [[ $(modinfo -F sig_id ours.ko) == PKCS#7 && -n $(modinfo -F signature ours.ko) ]] || fail "modinfo sees no signature"
    done
done

step "all of the message but the signature's own value is that of the kernel's sign-file"
# Lengths inside differ by a byte or two, as the value's numbers do.
structure() {
    openssl asn1parse -inform DER -in "$1" | sed 's/^ *[0-9]*:d=/d=/; s/ l= *[0-9]* / /; /OCTET STRING/ s/\[HEX DUMP\]:.*//'
}
for options in "" -k; do
    # shellcheck disable=SC2086 # no option is no word
    reference-sign-file -d $options sha512 "$keys/p384.key" "$keys/p384.der" theirs.ko
    # shellcheck disable=SC2086
    silently sign-file -d $options sha512 "$keys/p384.key" "$keys/p384.der" ours.ko
    diff <(structure theirs.ko.p7s) <(structure ours.ko.p7s) || fail "sign-file $options: another structure"
done
