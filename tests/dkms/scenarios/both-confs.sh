# shellcheck shell=bash disable=SC2154
# DKMS sources <module>.conf and then <module>-<version>.conf: linking both must
# not have ksign, nor the package's own POST_BUILD, run twice.
make_certs_local "$kernel"
add_sample
own_post_build ksign-sample own-script.sh <<'END'
#!/bin/bash
echo ran >>own-script-of-scenario
END
sed -i "s|own-script-of-scenario|$scratch/own-script|" /usr/src/ksign-sample-1.0/own-script.sh
link_post_build ksign-sample ksign-sample-1.0

dkms_build ksign-sample
one=$(built ksign-sample ksign_sample_one)
expect_signed_for "$kernel" "$one" "$(built ksign-sample ksign_sample_two)"
times=$(times_said "$said" "$one: signed")
((times == 1)) || fail "ksign signed $times times"
[[ $(wc -l <own-script) == 1 ]] || fail "the package's own POST_BUILD ran $(wc -l <own-script) times"
