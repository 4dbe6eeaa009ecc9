# shellcheck shell=bash disable=SC2154,SC2164 # variables of environment.sh; set -e of run
# The roles that have no --root, with a kernel's own keys: on a machine that has
# such a kernel, in a mount namespace of the scenario's own.
release=0.0.0-ksign-test
if [[ ${in_namespace-} != yes ]]; then
    ((EUID == 0)) || skip "only root can make a mount namespace"
    unshare --mount --propagation private true || skip "no mount namespace can be made here"
    [[ -d /lib/modules ]] || skip "there is no /lib/modules to mount something over"
    export bin keys samples scratch tool_tests in_namespace=yes
    # shellcheck disable=SC2016 # for the inner shell
    unshare --mount --propagation private bash -c \
        'set -euo pipefail; . "$tool_tests/environment.sh"; . "$tool_tests/scenarios/kernel-keys.sh"' || fail "see above"
    return
fi

mkdir modules
mount --bind modules /lib/modules
# Where /lib is a link, messages name the folder as it really is.
lib_modules=$(realpath /lib/modules)
mkdir -p /lib/modules/$release/build
printf '%s\n' CONFIG_MODULE_SIG=y 'CONFIG_MODULE_SIG_HASH="sha256"' CONFIG_CRYPTO_RSA=y CONFIG_CRYPTO_SHA512=y >/lib/modules/$release/build/.config
make_certs_local /lib/modules/$release/build rsa2048 sha512
arguments=(--dkms-tree "$PWD/tree" --module package --module-version 1.0 -k "$release" --arch x86_64)
: >empty.conf

step "sign-tool and post-build take the kernel's key and its hash"
new_module m.ko
silently sign-tool --config empty.conf $release m.ko
expect_signed m.ko rsa2048 sha256
new_module tree/package/1.0/$release/x86_64/module/m.ko
expect_exit 0 post-build --config empty.conf "${arguments[@]}"
expect_signed tree/package/1.0/$release/x86_64/module/m.ko rsa2048 sha256

step "sign-file with DKMS's drop-in: pkcs11:ksign, any certificate, DKMS's hash"
new_module m.ko
kernelver=$release silently sign-file sha512 pkcs11:ksign "$bin/sign-file" m.ko
expect_signed m.ko rsa2048 sha512
new_module m.ko
refused pkcs11:ksign "\$kernelver, which names it, is not set" "ksign sign -k RELEASE" \
    sign-file sha512 pkcs11:ksign "$bin/sign-file" m.ko
kernelver=0.0.0-other refused "kernel 0.0.0-other" "is not installed: there is no " "shows the kernels that are" \
    sign-file sha512 pkcs11:ksign "$bin/sign-file" m.ko

step "a kernel without keys: what DKMS is told is what missing-key says, but sign-file has failed"
mkdir -p /lib/modules/0.0.0-other/build
new_module tree/package/1.0/0.0.0-other/x86_64/module/m.ko
echo "missing-key = fail" >fail.conf
other=(--dkms-tree "$PWD/tree" --module package --module-version 1.0 -k 0.0.0-other --arch x86_64)
for command in "sign-tool --config CONF 0.0.0-other m.ko" "post-build --config CONF ${other[*]}"; do
    # shellcheck disable=SC2086 # words
    unchanged ${command/CONF/empty.conf}
    said "kernel 0.0.0-other" "has no signing key: there is no $lib_modules/0.0.0-other/build/certs-local" "install the headers package"
    # shellcheck disable=SC2086
    refused "kernel 0.0.0-other" "has no signing key" "set key and certificate (a MOK that is enrolled)" ${command/CONF/fail.conf}
done
kernelver=0.0.0-other refused "kernel 0.0.0-other" "has no signing key" "install the headers package" \
    sign-file sha512 pkcs11:ksign "$bin/sign-file" m.ko

step "an EC key that this kernel can't verify: refused by every role"
rm -r /lib/modules/$release/build/certs-local
make_certs_local /lib/modules/$release/build p384 sha512
new_module tree/package/1.0/$release/x86_64/module/m.ko
key=$lib_modules/$release/build/certs-local/20240101-1200/signing_prv.pem
for command in "sign-tool --config empty.conf $release m.ko" "sign-file sha512 pkcs11:ksign $bin/sign-file m.ko" \
    "post-build --config empty.conf ${arguments[*]}" "ksign sign --config empty.conf -k $release ./m.ko"; do
    # shellcheck disable=SC2086 # words
    kernelver=$release refused "$key" "CONFIG_CRYPTO_ECDSA is not set" "give this kernel an RSA key" $command
done
echo CONFIG_CRYPTO_ECDSA=y >>/lib/modules/$release/build/.config
silently sign-tool --config empty.conf $release m.ko
expect_signed m.ko p384 sha256

step "a certs-local that is broken: no other key is taken"
printf 'key = %s\nmissing-key = skip\n' "$keys/both.pem" >other.conf
rm /lib/modules/$release/build/certs-local/current
new_module m.ko
refused "$lib_modules/$release/build/certs-local/current" "does not lead to a folder with keys" "point the link" \
    sign-tool --config other.conf $release m.ko
refused "$lib_modules/$release/build/certs-local/current" "does not lead to a folder with keys" "point the link" \
    post-build --config other.conf "${arguments[@]}"
[[ $(find /lib/modules/$release -name '*signing*' | wc -l) == 3 ]] || fail "a key has come or gone"

