# shellcheck shell=bash disable=SC2154,SC2164 # variables of environment.sh; set -e of run
# A kernel configuration that trusts the current key, and is else the same.
cat >config <<'END'
# Linux/x86 6.12.1 Kernel Configuration
CONFIG_MODULE_SIG=y
CONFIG_MODULE_SIG_HASH="sha512"
CONFIG_MODULE_SIG_KEY_TYPE_ECDSA=y
CONFIG_CRYPTO_RSA=y
CONFIG_CRYPTO_ECDSA=y
CONFIG_CRYPTO_SHA512=y
CONFIG_SYSTEM_TRUSTED_KEYS=""
# CONFIG_SYSTEM_TRUSTED_KEYS_NOT is not set
END
cp config empty
sed 's/^CONFIG_SYSTEM_TRUSTED_KEYS=.*/# CONFIG_SYSTEM_TRUSTED_KEYS is not set/' empty >"unset"
sed '/^CONFIG_SYSTEM_TRUSTED_KEYS=/d' empty >absent
printf '%s' "$(<absent)" >no-newline
chmod 640 unset
expect_exit 0 ksign keys generate --kernel-config config
key=$PWD/certs-local/$(readlink certs-local/current)/signing_key.pem
wanted="CONFIG_SYSTEM_TRUSTED_KEYS=\"$key\""

# only_line FILE ORIGINAL: it differs from the original in that line alone.
only_line() {
    cmp <(grep -v 'SYSTEM_TRUSTED_KEYS[= ]' "$1") <(grep -v 'SYSTEM_TRUSTED_KEYS[= ]' "$2") || fail "$1: another line changed"
    [[ $(grep -c '^CONFIG_SYSTEM_TRUSTED_KEYS=' "$1") == 1 ]] || fail "$1: $(grep TRUSTED "$1")"
}

step "the line is set, replaced or added; mode and all else stay"
for name in empty unset absent no-newline; do
    cp -p "$name" "$name.config"
    no_change expect_exit 0 ksign config update --dry-run "$name.config"
    expect_in "$out" "$name.config: would trust $key"
    expect_exit 0 ksign config update "$name.config"
    expect_in "$out" "$name.config: now trusts $key"
    grep -qxF "$wanted" "$name.config" || fail "$name: $(grep TRUSTED "$name.config")"
    only_line "$name.config" "$name"
    unchanged ksign config update "$name.config"
    expect_in "$out" "trusts already"
done
[[ $(stat -c %a unset.config) == 640 ]] || fail "the mode changed"

step "a new key, several configurations by a pattern"
expect_exit 0 ksign keys generate --kernel-config config
new=$PWD/certs-local/$(readlink certs-local/current)/signing_key.pem
expect_exit 0 ksign config update '*.config'
[[ $(grep -hcxF "CONFIG_SYSTEM_TRUSTED_KEYS=\"$new\"" ./*.config) == $'1\n1\n1\n1' ]] || fail "$(grep TRUSTED ./*.config)"

step "other certificates are kept, in one file that the kernel's build reads"
mkdir -p linux/certs
cat "$keys/rsa2048.pem" "$keys/p384.pem" >linux/certs/vendor.pem
sed 's|^CONFIG_SYSTEM_TRUSTED_KEYS=.*|CONFIG_SYSTEM_TRUSTED_KEYS="certs/vendor.pem"|' config >vendor
refused vendor "there is no $PWD/certs/vendor.pem" "--source DIR" ksign config update vendor
expect_exit 0 ksign config update --source linux vendor
expect_in "$out" "2 other certificates"
bundle=$(sed -n 's/^CONFIG_SYSTEM_TRUSTED_KEYS="\(.*\)"$/\1/p' vendor)
[[ $bundle == "${new%/*}"/trusted_keys-*.pem ]] || fail "the configuration names $bundle"
serials() { openssl crl2pkcs7 -nocrl -certfile "$1" | openssl pkcs7 -print_certs -noout | grep -c subject; }
[[ $(serials "$bundle") == 3 ]] || fail "$bundle holds $(serials "$bundle") certificates"
! grep -q "PRIVATE KEY" "$bundle" || fail "a private key is in the bundle"
unchanged ksign config update --source linux vendor
expect_exit 0 ksign keys generate --kernel-config config
expect_exit 0 ksign config update vendor
bundle=$(sed -n 's/^CONFIG_SYSTEM_TRUSTED_KEYS="\(.*\)"$/\1/p' vendor)
[[ $(serials "$bundle") == 3 && $bundle == *"$(readlink certs-local/current)"* ]] || fail "the old key was kept, or another lost"
expect_exit 0 ksign config update --replace vendor
grep -q '/signing_key.pem"$' vendor || fail "--replace kept others"

step "configurations that want another key, that disagree, or are not there"
sed 's/sha512"/sha384"/' config >other
refused other "wants a p-384 key and sha384, and the current key is p-384 for sha512" "ksign keys refresh" \
    ksign config update other
refused other "is sha384, and that of config is sha512" "keys of their own" ksign config update config other
refused nothing "no such file" "a pattern in quotes" ksign config update nothing
refused elsewhere "has no current key" "ksign keys generate" ksign config update --certs-local elsewhere config
usage_error "name the kernel configurations" ksign config update
mkdir "with space"
cp -a certs-local "with space/"
refused "$PWD/with space/certs-local" "can't read a path with ' '" "without such characters" \
    ksign config update --certs-local "with space/certs-local" config
# As in the versions of Debian's packages.
mkdir linux-7.3~rc1
cp -a certs-local linux-7.3~rc1/
cp config tilde
expect_exit 0 ksign config update --certs-local linux-7.3~rc1/certs-local tilde
grep -q '/linux-7.3~rc1/certs-local/.*"$' tilde || fail "the key in a folder with a ~ is not named"
