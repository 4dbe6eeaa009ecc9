# shellcheck shell=bash disable=SC2154
# What a kernel's package calls when it is installed: all packages, no names.
make_certs_local "$kernel"
add_sample
add_sample ksign-other
# Two packages cannot install modules of the same name.
sed -i "s/ksign_sample_/ksign_other_/g" /usr/src/ksign-other-1.0/{dkms.conf,Kbuild}
for module in one two; do
    mv "/usr/src/ksign-other-1.0/ksign_sample_$module.c" "/usr/src/ksign-other-1.0/ksign_other_$module.c"
done
link_post_build ksign-sample ksign-other
dkms_says added add -m ksign-sample -v 1.0
dkms_says added add -m ksign-other -v 1.0

dkms_says autoinstalled autoinstall -k "$kernel" || fail "dkms autoinstall ended with $?"
for module in ksign_sample_one ksign_sample_two ksign_other_one ksign_other_two; do
    expect_signed_for "$kernel" "$(find "/lib/modules/$kernel" -name "$module.ko*")"
done
