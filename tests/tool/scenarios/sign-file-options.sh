# shellcheck shell=bash disable=SC2154,SC2164 # variables of environment.sh; set -e of run
# sign-file's command line is that of the kernel's: getopt's habits, exit 2 for
# wrong usage, 1 for what fails.
new_module m.ko
signing=(sha256 "$keys/rsa2048.key" "$keys/rsa2048.der")
reference-sign-file "${signing[@]}" m.ko expected.ko
reference-sign-file -k "${signing[@]}" m.ko expected-k.ko
reference-sign-file -d "${signing[@]}" m.ko
mv m.ko.p7s expected.p7s

step "options before, between and after the words, joined or not; -- ends them"
for words in "-k ${signing[*]} m.ko" "${signing[*]} -k m.ko" "${signing[*]} m.ko -k" "-k -- ${signing[*]} m.ko"; do
    new_module m.ko
    # shellcheck disable=SC2086 # words
    silently sign-file $words
    cmp m.ko expected-k.ko
done
for options in -dp -pd "-d -p" -ddd; do
    new_module m.ko
    rm -f m.ko.p7s
    # shellcheck disable=SC2086
    silently sign-file $options "${signing[@]}" m.ko
    cmp m.ko "$samples/sample.ko"
    cmp m.ko.p7s expected.p7s
done
new_module m.ko
silently sign-file -- "${signing[@]}" m.ko
cmp m.ko expected.ko
step "as a command of ksign"
new_module m.ko
silently ksign sign-file "${signing[@]}" m.ko
cmp m.ko expected.ko

step "wrong usage: exit 2 and a message on standard error, as the kernel's sign-file"
new_module case/m.ko
for words in "" "sha256" "${signing[*]}" "${signing[*]} case/m.ko dest.ko one-more" "-s raw.p7s sha256 cert.der" \
    "-x ${signing[*]} case/m.ko" "-kx ${signing[*]} case/m.ko" "--unknown ${signing[*]} case/m.ko"; do
    case $words in
        *x\ * | *--unknown*) text="there is no such option" ;;
        *) text="expected HASH KEY CERTIFICATE MODULE [DESTINATION]" ;;
    esac
    # shellcheck disable=SC2086
    no_change usage_error "$text" sign-file $words
    expect_in "$err" "\`ksign sign-file --help\`"
    # shellcheck disable=SC2086
    expect_exit 2 "$reference" $words
done

step "-i puts the certificate in, and openssl needs no other then"
new_module m.ko
silently sign-file -i "${signing[@]}" m.ko
expect_signed m.ko rsa2048 sha256
openssl cms -cmsout -noout -inform DER -in "$scratch/signature" -certsout included.pem
[[ $(grep -c '^-----BEGIN CERTIFICATE' included.pem) == 1 ]] || fail "not one certificate: $(<included.pem)"
openssl x509 -in included.pem -outform DER | cmp - "$keys/rsa2048.der" || fail "another certificate"
openssl cms -verify -binary -inform DER -in "$scratch/signature" -content "$scratch/payload" -CAfile "$keys/rsa2048.pem" \
    -purpose any -out /dev/null 2>log || fail "$(<log)"
silently sign-file "${signing[@]}" m.ko
"$tool_tests/payload.py" split m.ko payload signature
openssl cms -cmsout -noout -inform DER -in signature -certsout left.pem
[[ -f left.pem && ! -s left.pem ]] || fail "still a certificate: $(<left.pem)"
cmp m.ko expected.ko || fail "what -i put in stayed"


step "-k with a certificate that has no key identifier"
printf '[req]\ndistinguished_name = name\n[name]\n' >request.conf
openssl req -new -x509 -batch -config request.conf -subj "/CN=no identifier" -addext subjectKeyIdentifier=none \
    -key "$keys/rsa2048.key" -out no-identifier.pem
new_module case/m.ko
refused "$keys/rsa2048.key" "its certificate has no subjectKeyIdentifier" "by issuer and serial number" \
    sign-file -k sha256 "$keys/rsa2048.key" no-identifier.pem case/m.ko
silently sign-file sha256 "$keys/rsa2048.key" no-identifier.pem case/m.ko
