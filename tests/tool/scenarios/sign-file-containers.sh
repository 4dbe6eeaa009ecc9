# shellcheck shell=bash disable=SC2154,SC2164 # variables of environment.sh; set -e of run
# sign-file takes what the kernel's sign-file spoils: modules that are compressed
# or signed already. DKMS signs before it compresses, but not all who call it do.
signing=(sha512 "$keys/rsa2048.key" "$keys/rsa2048.der")
other_signing=(sha256 "$keys/p384.key" "$keys/p384.der")
reference-sign-file "${signing[@]}" "$samples/sample.ko" expected.ko

step "compressed modules, by what they are and not by their names"
for container in xz zst gz; do
    # The second name lies, the third says nothing.
    case $container in xz) liar=m.ko.zst ;; zst) liar=m.ko.gz ;; gz) liar=m.ko ;; esac
    for name in "m.ko.$container" "$liar" "no suffix"; do
        new_module "$name" "$container"
        silently sign-file "${signing[@]}" "$name"
        expect_loadable "$name" "$container"
        decompress "$name" | cmp - expected.ko || fail "$container as $name: not what the kernel's sign-file writes"
        rm "$name"
    done
done
new_module m.ko.xz plain
silently sign-file "${signing[@]}" m.ko.xz
cmp m.ko.xz expected.ko

step "-p, -d, a destination: the signature is that of the decompressed module"
new_module m.ko.zst zst
cp m.ko.zst before
"$tool_tests/payload.py" split expected.ko payload signature
silently sign-file -d "${signing[@]}" m.ko.zst
cmp m.ko.zst before
cmp m.ko.zst.p7s signature
rm m.ko.zst.p7s
silently sign-file -p "${signing[@]}" m.ko.zst dest.ko.zst
cmp m.ko.zst before
cmp m.ko.zst.p7s signature
decompress dest.ko.zst | cmp - expected.ko
expect_loadable dest.ko.zst zst
rm ./*

step "signed once, however often and by whomever before"
reference-sign-file "${signing[@]}" "$samples/sample.ko" expected.ko
for container in plain xz zst gz; do
    # Two signatures on top of each other, as sign-file leaves them.
    cp expected.ko stack.ko
    reference-sign-file "${other_signing[@]}" stack.ko
    reference-sign-file "${signing[@]}" stack.ko
    compress "$container" <stack.ko >m.ko
    silently sign-file "${signing[@]}" m.ko
    decompress m.ko | cmp - expected.ko

    silently sign-file "${other_signing[@]}" m.ko
    expect_signed m.ko p384 sha256
    silently sign-file "${signing[@]}" m.ko
    decompress m.ko | cmp - expected.ko
    # Another hash, another form: signed anew.
    silently sign-file sha256 "${signing[@]:1}" m.ko
    expect_signed m.ko rsa2048 sha256
    silently sign-file -k sha256 "${signing[@]:1}" m.ko
    [[ -z $(module_information signer m.ko) ]] || fail "$container: -k did not replace the form"
    silently sign-file "${signing[@]}" m.ko
    decompress m.ko | cmp - expected.ko
    expect_files . expected.ko m.ko stack.ko
done

step "what is signed right already is left as it is; but -p and a destination are served"
unchanged sign-file "${signing[@]}" m.ko
cp m.ko before
silently sign-file -p "${signing[@]}" m.ko dest.ko
cmp m.ko before
"$tool_tests/payload.py" split expected.ko payload signature
cmp m.ko.p7s signature
decompress dest.ko | cmp - expected.ko

step "stacks of many signatures"
cp "$samples/sample.ko" tall.ko
chmod u+w tall.ko
reference-sign-file -d "${signing[@]}" tall.ko
size=$(stat -c %s tall.ko.p7s)
trailer 2 "$size" >end
for ((number = 0; number < 300; number++)); do
    echo tall.ko.p7s end
done | xargs cat >>tall.ko
silently sign-file "${signing[@]}" tall.ko
cmp tall.ko expected.ko

step "what the kernel's sign-file has appended to a compressed file goes, and the module is signed"
for container in xz zst gz; do
    new_module "m.ko.$container" "$container"
    reference-sign-file sha256 "$keys/stranger.key" "$keys/stranger.der" "m.ko.$container"
    expect_exit 0 ksign show "m.ko.$container"
    expect_in "$out" "a signature appended to the compressed file"
    expect_exit 0 ksign sign --hash sha256 --key "$keys/rsa2048.key" --certificate "$keys/rsa2048.der" "m.ko.$container"
    expect_signed "m.ko.$container" rsa2048 sha256
    expect_loadable "m.ko.$container" "$container"
done
