# shellcheck shell=bash disable=SC2154,SC2164 # variables of environment.sh; set -e of run
# A signed module keeps its owner, mode, extended attributes and ACL, and gets a
# new time of modification. What is not rewritten keeps all.
signing=(sha256 "$keys/rsa2048.key" "$keys/rsa2048.der")
signing_people=(--hash sha256 --key "$keys/rsa2048.key" --certificate "$keys/rsa2048.der")
((EUID == 0)) || skip "only root can give files to others"

attributes_of() {
    stat -c '%a %u:%g' "$1"
    getfattr --absolute-names -d -m - "$1" | grep -v '^# file' || true
    getfacl --absolute-names --numeric "$1" | grep -v '^# file' || true
}

for combination in plain:0600 plain:0444 plain:4755 xz:0640 zst:0755 gz:0600; do
    container=${combination%:*} mode=${combination#*:}
    step "$container, $mode"
    rm -f ./*
    new_module m.ko "$container"
    chown 12:34 m.ko
    chmod "$mode" m.ko
    setfattr -n user.ksign -v kept m.ko
    setfattr -n user.binary -v 0x00ff0a m.ko
    touch -d 2020-01-01 m.ko
    attributes_of m.ko >"$scratch/attributes"
    silently sign-file "${signing[@]}" m.ko
    attributes_of m.ko | diff "$scratch/attributes" - || fail "signed in place"
    [[ $(stat -c %Y m.ko) -gt $(date -d 2020-01-02 +%s) ]] || fail "the time of modification is the old one"

    unchanged ksign sign "${signing_people[@]}" m.ko
    expect_exit 0 ksign sign --force "${signing_people[@]}" m.ko
    attributes_of m.ko | diff "$scratch/attributes" - || fail "signed again"
    expect_exit 0 ksign strip m.ko
    attributes_of m.ko | diff "$scratch/attributes" - || fail "stripped"

    # The signature beside it is no secret, and the destination is like the module.
    silently sign-file -p "${signing[@]}" m.ko dest.ko
    attributes_of dest.ko | diff "$scratch/attributes" - || fail "to a destination"
done

step "ACLs"
rm -f ./*
new_module m.ko
chmod 0640 m.ko
setfacl -m u:12:r,g:34:rw m.ko
attributes_of m.ko >"$scratch/attributes"
silently sign-file "${signing[@]}" m.ko
attributes_of m.ko | diff "$scratch/attributes" - || fail "the ACL was not kept"
# Nor may a default ACL of the folder give what the module had not.
mkdir with-default
setfacl -d -m u:12:rwx with-default
new_module m.ko
chmod 0600 m.ko
setfacl -b m.ko
mv m.ko with-default/
attributes_of with-default/m.ko >"$scratch/attributes"
silently sign-file "${signing[@]}" with-default/m.ko
attributes_of with-default/m.ko | diff "$scratch/attributes" - || fail "the folder's default ACL got on the module"

step "IMA's and EVM's attributes belong to the old content"
new_module m.ko
setfattr -n security.ima -v 0x0404 m.ko
silently sign-file "${signing[@]}" m.ko
[[ -z $(getfattr -d -m security.ima m.ko) ]] || fail "security.ima was kept"

step "a link leads to the module, and stays"
rm -rf ./*
mkdir real
new_module real/m.ko
ln -s real/m.ko first.ko
ln -s first.ko second.ko
expect_exit 0 ksign sign "${signing_people[@]}" second.ko
[[ -L first.ko && -L second.ko && ! -L real/m.ko ]] || fail "a link was replaced"
expect_signed real/m.ko rsa2048 sha256
expect_files . first.ko real real/m.ko second.ko
unchanged ksign sign "${signing_people[@]}" first.ko real/m.ko

step "two at once, on one module: one after the other, and the module is whole"
for ((number = 0; number < 5; number++)); do
    new_module m.ko zst
    ksign sign --force "${signing_people[@]}" m.ko >one 2>&1 &
    one=$!
    ksign sign --force --hash sha512 --key "$keys/p384.key" --certificate "$keys/p384.der" m.ko >two 2>&1 &
    two=$!
    wait "$one" || fail "$(<one)"
    wait "$two" || fail "$(<two)"
    printf 'm.ko\0' | "$tool_tests/payload.py" sums | grep -q ' 1 m.ko$' || fail "not one signature"
done
expect_files . first.ko m.ko one real real/m.ko second.ko two
