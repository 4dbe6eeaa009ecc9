# shellcheck shell=bash disable=SC2154
# The same without the framework drop-in: then DKMS signs natively before
# POST_BUILD, with a key that it makes and no kernel trusts. That is not ours to
# take away where there is no better one, nor to touch.
add_sample
link_post_build ksign-sample

dkms_build ksign-sample
(($(times_said "$said" "ksign: ") >= 1)) || fail "ksign said nothing"
(($(times_said "$said" "  hint: ") >= 1)) || fail "ksign did not say what to do"
for module in ksign_sample_one ksign_sample_two; do
    file=$(built ksign-sample "$module")
    if [[ -e /var/lib/dkms/mok.pub ]]; then
        expect_signed "$file" /var/lib/dkms/mok.pub "$(kernel_hash "$kernel")"
    else
        expect_unsigned "$file"
    fi
done
[[ ! -e /lib/modules/$kernel/build/certs-local ]] || fail "certs-local was made"
