# shellcheck shell=bash disable=SC2154
# ksign was removed, its conf file kept, and a file of the user's still sources that:
# the package's own POST_BUILD is run as if there had never been another.
rm -r /usr/libexec/ksign /usr/bin/ksign

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
    built "$name" ksign_sample_one
    dkms_says said.remove remove -m "$name" -v 1.0 --all
done
