# shellcheck shell=bash disable=SC2154
# ksign was removed, its conf files kept, and files of the user's still source these: the
# package's own POST_BUILD is run, and DKMS signs, as if there had never been another.
rm -r /usr/libexec/ksign /usr/bin/ksign
echo ". /etc/ksign/dkms-framework.conf" >>/etc/dkms/framework.conf

for suite in machine bullseye sid; do
    [[ $suite == machine ]] || use_dkms "$suite"
    echo "-- POST_BUILD, DKMS $(dkms --version)"
    name=ksign-$suite
    add_sample "$name"
    own_post_build "$name" "own-script.sh" <<END_OF_SCRIPT
#!/bin/bash
echo ran >>"$scratch/$suite.ran"
END_OF_SCRIPT
    printf '%s\n' '# mine' '. /etc/dkms/kernel-sign.conf' >"/etc/dkms/$name.conf"
    dkms_build "$name"
    [[ $(wc -l <"$suite.ran") == 1 ]] || fail "the package's own POST_BUILD ran $(wc -l <"$suite.ran") times"
    expect_said "$said" "ksign: /usr/libexec/ksign/post-build is not there: $name is not signed by ksign"
    expect_said "$said" "hint: install ksign anew"
    module=$(built "$name" ksign_sample_one)

    # What a DKMS before 3 never does by itself.
    if dkms_at_least 3.0.0; then
        echo "-- in place of sign-file"
        expect_said "$said" "ksign: /usr/libexec/ksign/sign-file is not there: DKMS signs as without ksign"
        expect_not_said "$said" "won't be signed"
        [[ -n $(modinfo -F signer "$module") ]] || fail "DKMS did not sign"
    fi
    dkms_says said.remove remove -m "$name" -v 1.0 --all
done
