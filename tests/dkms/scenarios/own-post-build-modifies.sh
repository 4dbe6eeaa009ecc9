# shellcheck shell=bash disable=SC2154
# The package's own POST_BUILD changes a module, which cuts the signature off: it
# must end signed all the same.
make_certs_local "$kernel"
plain_kernel "$kernel" # as strip reads no other
add_sample
own_post_build ksign-sample own-script.sh <<'END'
#!/bin/bash
set -e
strip -g "../$kernelver"/*/module/ksign_sample_two.ko
[[ $(modinfo -F signer "../$kernelver"/*/module/ksign_sample_two.ko) == "" ]]
touch ran-to-its-end-of-scenario
END
sed -i "s|ran-to-its-end-of-scenario|$scratch/ran|" /usr/src/ksign-sample-1.0/own-script.sh
link_post_build ksign-sample

dkms_build ksign-sample
[[ -f ran ]] || fail "the package's own POST_BUILD did not run to its end"
two=$(built ksign-sample ksign_sample_two)
expect_debug_information no "$two"
expect_signed_for "$kernel" "$(built ksign-sample ksign_sample_one)" "$two"
