# shellcheck shell=bash disable=SC2154
# A package of two modules, signed through POST_BUILD and installed.
make_certs_local "$kernel"
add_sample
link_post_build ksign-sample

dkms_build ksign-sample
one=$(built ksign-sample ksign_sample_one)
two=$(built ksign-sample ksign_sample_two)
expect_signed_for "$kernel" "$one" "$two"
expect_said_signed "$one" "$two"

# DKMS stripped the one and was told to leave the other alone; so must we.
expect_debug_information no "$one"
expect_debug_information yes "$two"

dkms_says install.said install -m ksign-sample -v 1.0 -k "$kernel"
for module in ksign_sample_one ksign_sample_two; do
    installed=$(find "/lib/modules/$kernel" -name "$module.ko*")
    cmp "$(built ksign-sample "$module")" "$installed"
done
