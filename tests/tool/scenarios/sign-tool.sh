# shellcheck shell=bash disable=SC2154,SC2164 # variables of environment.sh; set -e of run
# sign-tool KERNELVER FILE, as DKMS 2.8.1 to 3.0.3 calls it: silent, with the key of
# that kernel, and DKMS aborts the build where it fails.
release=0.0.0-ksign-test
printf 'key = %s\nhash = sha384\n' "$keys/both.pem" >ksign.conf
: >no-key.conf
echo "missing-key = fail" >no-key-fails.conf
new_module m.ko
for container in plain xz zst gz; do
    new_module m.ko $container
    silently sign-tool --config ksign.conf $release m.ko
    expect_signed m.ko rsa2048 sha384
    [[ $container == plain ]] || expect_loadable m.ko $container
done
unchanged sign-tool --config ksign.conf $release m.ko
new_module m.ko
silently ksign sign-tool --config ksign.conf $release m.ko
expect_signed m.ko rsa2048 sha384

step "no key: missing-key decides"
new_module m.ko
unchanged sign-tool --config no-key.conf $release m.ko
said "kernel $release" "is not installed: there is no " "shows the kernels that are"
refused "kernel $release" "is not installed: there is no " "shows the kernels that are" \
    sign-tool --config no-key-fails.conf $release m.ko

step "what can't be signed"
refused missing.ko "No such file or directory" "" sign-tool --config ksign.conf $release missing.ko
echo broken >broken.ko
refused broken.ko "not an ELF file" "" sign-tool --config ksign.conf $release broken.ko
refused "'a/b'" "is not a kernel's release" "uname -r" sign-tool --config ksign.conf a/b m.ko
