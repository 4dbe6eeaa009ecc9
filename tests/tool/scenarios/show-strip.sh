# shellcheck shell=bash disable=SC2154,SC2164 # variables of environment.sh; set -e of run
# show: what a module carries, without any key. strip: the signatures off, and
# every other byte kept, debug information too.
has_debug_information() {
    readelf -S -W "$1" | grep -q ' \.debug_info '
}
has_debug_information "$samples/sample.ko" || fail "the sample has no debug information to lose"

step "strip gives back the exact module, signed by whomever and however often"
for container in plain xz zst gz; do
    cp "$samples/sample.ko" stack.ko
    chmod u+w stack.ko
    reference-sign-file sha256 "$keys/rsa2048.key" "$keys/rsa2048.der" stack.ko
    reference-sign-file -k sha512 "$keys/p384.key" "$keys/p384.der" stack.ko
    compress $container <stack.ko >m.ko
    no_change expect_exit 0 ksign strip --dry-run m.ko
    expect_in "$out" "m.ko: 2 signatures would be taken off"
    expect_exit 0 ksign strip m.ko
    [[ $(<"$out") == "m.ko: 2 signatures taken off" && ! -s $err ]] || fail "said: $(<"$out") $(<"$err")"
    expect_loadable m.ko $container
    decompress m.ko >plain.ko
    cmp plain.ko "$samples/sample.ko"
    has_debug_information plain.ko || fail "debug information was lost"
    unchanged ksign strip m.ko
    [[ $(<"$out") == "m.ko: is not signed" ]] || fail "said: $(<"$out")"

    expect_exit 0 ksign sign --key "$keys/rsa2048.key" --certificate "$keys/rsa2048.der" m.ko
    decompress m.ko >plain.ko
    has_debug_information plain.ko || fail "debug information was lost"
    expect_exit 0 ksign strip --json m.ko
    expect_json 'd["schema"], d["modules"]' "(1, [{'path': 'm.ko', 'signatures_removed': 1, 'dry_run': False}])"
    decompress m.ko | cmp - "$samples/sample.ko"
done

step "strip: what the kernel's sign-file has appended to a compressed file"
for container in xz zst gz; do
    new_module m.ko $container
    reference-sign-file sha256 "$keys/rsa2048.key" "$keys/rsa2048.der" m.ko
    no_change expect_exit 0 ksign strip --dry-run m.ko
    expect_in "$out" "m.ko: 1 signature would be taken off"
    expect_exit 0 ksign strip m.ko
    decompress m.ko | cmp - "$samples/sample.ko"
    expect_loadable m.ko $container
    unchanged ksign strip m.ko
done

step "strip: folders, names of a kernel, and on after a failure"
make_root root 1.2.3-test
new_module "$modules_folder/updates/dkms/m.ko.xz" xz
sign-file sha256 "$keys/rsa2048.key" "$keys/rsa2048.der" "$modules_folder/updates/dkms/m.ko.xz"
cp -a "$modules_folder/updates/dkms/m.ko.xz" "$modules_folder/kernel/n.ko.xz"
expect_exit 0 ksign strip -k 1.2.3-test --root root m
expect_unsigned "$modules_folder/updates/dkms/m.ko.xz"
echo broken >"$modules_folder/kernel/a.ko"
expect_exit 1 ksign strip "$modules_folder/kernel"
expect_unsigned "$modules_folder/kernel/n.ko.xz"
expect_in "$err" "1 of 2 modules failed"

step "show: unsigned, signed by name, by key id, with a certificate, twice"
rm -rf ./*
new_module m.ko
unchanged ksign show m.ko
expect_in "$out" "  container:  plain, $(stat -c %s m.ko) bytes; module $(stat -c %s m.ko) bytes"
expect_in "$out" "  signature:  none"

reference-sign-file sha256 "$keys/rsa4096.key" "$keys/rsa4096.der" m.ko
unchanged ksign show m.ko
expect_in "$out" "  signature:  ksign test key rsa4096, serial $(modinfo -F sig_key m.ko), sha256, rsaEncryption"
[[ $(modinfo -F signer m.ko) == "ksign test key rsa4096" ]] || fail "modinfo names another signer"
expect_exit 0 ksign show --json m.ko
expect_json 'd["modules"][0]["signatures"][0]["serial"]' "$(modinfo -F sig_key m.ko)"
expect_json 'd["modules"][0]["signatures"][0]["hash"]' "$(modinfo -F sig_hashalgo m.ko)"
expect_json 'd["modules"][0]["payload_size"]' "$(stat -c %s "$samples/sample.ko")"
expect_json 'd["modules"][0]["file_size"]' "$(stat -c %s m.ko)"
expect_json 'd["modules"][0]["container"]' plain
expect_json 'd["modules"][0]["signatures"][0]["certificates"], d["modules"][0]["signatures"][0]["signed_attributes"]' "(0, False)"

new_module by-id.ko
reference-sign-file -k sha512 "$keys/p384.key" "$keys/p384.der" by-id.ko
key_id=$(openssl x509 -in "$keys/p384.pem" -noout -ext subjectKeyIdentifier | tail -n 1 | tr -d ' ')
expect_exit 0 ksign show by-id.ko
expect_in "$out" "key id $key_id (modinfo shows no signer), sha512, ecdsa-with-SHA512"
expect_exit 0 ksign show --json by-id.ko
expect_json 'd["modules"][0]["signatures"][0]["key_id"]' "$key_id"

new_module issued.ko zst
sign-file -i sha384 "$keys/issued.key" "$keys/issued.der" issued.ko
expect_exit 0 ksign show issued.ko
expect_in "$out" "ksign test key rsa2048, serial 4D, sha384, rsaEncryption, with 1 certificate(s) inside"
expect_in "$out" "  container:  zstd, "

cp m.ko twice.ko
reference-sign-file sha512 "$keys/p384.key" "$keys/p384.der" twice.ko
expect_exit 0 ksign show --json twice.ko
expect_json '[s["signer"] for s in d["modules"][0]["signatures"]]' "['ksign test key p384', 'ksign test key rsa4096']"
expect_exit 0 ksign show twice.ko
expect_in "$out" "  signature:  ksign test key p384"
expect_in "$out" "  below it:   ksign test key rsa4096"
expect_not_in "$out" "  below them:"

step "show: of a stack of signatures, a hundred and the number of the others"
{ cat "$samples/sample.ko" && for ((turn = 0; turn < 130; turn++)); do printf '\x30\0' && trailer 2 2; done; } >stack.ko
expect_exit 0 ksign show stack.ko
expect_in "$out" "  below them: 30 more"
(($(grep -c "  below it: " "$out") == 99)) || fail "shown: $(grep -c "  below it: " "$out") signatures below the first"
expect_exit 0 ksign show --json stack.ko
expect_json 'len(d["modules"][0]["signatures"]), d["modules"][0]["more_signatures"]' "(100, 30)"
expect_exit 0 ksign show --json twice.ko
expect_json '"more_signatures" in d["modules"][0]' False

step "show: signatures that are none, signed attributes, other kinds of hashes"
{ cat "$samples/sample.ko" && printf '\x30\x03\x02\x01\x05' && trailer 2 5; } >odd.ko
expect_exit 0 ksign show odd.ko
expect_in "$out" "its signature is not a CMS message with one signer"
openssl cms -sign -binary -nocerts -md sha256 -outform DER -in "$samples/sample.ko" -signer "$keys/rsa2048.pem" \
    -inkey "$keys/rsa2048.key" -out attributes.cms
{ cat "$samples/sample.ko" attributes.cms && trailer 2 "$(stat -c %s attributes.cms)"; } >attributes.ko
expect_exit 0 ksign show attributes.ko
expect_in "$out" "with signed attributes (a kernel refuses them for RSA and ECDSA)"
new_module sha1.ko
reference-sign-file sha1 "$keys/rsa2048.key" "$keys/rsa2048.der" sha1.ko
expect_exit 0 ksign show sha1.ko
expect_in "$out" "sha1, rsaEncryption"
# What carries signed attributes is not right for a kernel, so it is signed anew.
expect_exit 0 ksign sign --hash sha256 --key "$keys/rsa2048.key" --certificate "$keys/rsa2048.der" attributes.ko odd.ko
expect_signed attributes.ko rsa2048 sha256
expect_signed odd.ko rsa2048 sha256

step "show: containers that are not loadable, each with its reason; sign repacks them"
plain=$samples/sample.ko
obstacle() {
    local text=$1 container=$2
    expect_exit 0 ksign show m.ko
    expect_in "$out" "  obstacle:   $text"
    expect_exit 0 ksign sign --hash sha256 --key "$keys/rsa2048.key" --certificate "$keys/rsa2048.der" m.ko
    expect_signed m.ko rsa2048 sha256
    expect_loadable m.ko "$container"
    expect_exit 0 ksign show m.ko
    expect_not_in "$out" obstacle
}
xz -c "$plain" >m.ko && obstacle "xz with CRC64" xz
xz -c --check=sha256 "$plain" >m.ko && obstacle "xz with a SHA-256 check" xz
xz -c --check=crc32 --x86 --lzma2 "$plain" >m.ko && obstacle "xz with a filter beside LZMA2" xz
{ head -c 50000 "$plain" | xz --check=crc32 && tail -c +50001 "$plain" | xz --check=crc32; } >m.ko
obstacle "2 xz streams" xz
zstd -qc --no-content-size "$plain" >m.ko && obstacle "zstd frame without its content size" zst
{ head -c 50000 "$plain" | zstd -qc && tail -c +50001 "$plain" | zstd -qc; } >m.ko
obstacle "2 zstd frames" zst
{ printf '\x50\x2a\x4d\x18\x04\0\0\0skip' && zstd -qc "$plain"; } >m.ko
obstacle "zstd with a skippable frame" zst
{ head -c 50000 "$plain" | gzip -nc && tail -c +50001 "$plain" | gzip -nc; } >m.ko
obstacle "2 gzip members" gz

step "blocks of xz are one stream, and a gzip member may hold a name: a kernel reads these"
for form in blocks name; do
    case $form in
        blocks) xz -c --check=crc32 --block-size=20000 "$plain" >m.ko ;;
        name) gzip -c "$plain" >m.ko ;;
    esac
    expect_exit 0 ksign show m.ko
    expect_not_in "$out" obstacle
done

step "show: a folder"
mkdir folder
new_module folder/a.ko
new_module folder/b.ko.gz gz
expect_exit 0 ksign show --json folder
expect_json '[m["path"] + " " + m["container"] for m in d["modules"]]' "['folder/a.ko plain', 'folder/b.ko.gz gzip']"
expect_json '[m["signatures"] for m in d["modules"]]' "[[], []]"
