# shellcheck shell=bash disable=SC2154 # variables of environment.sh
# What `meson install` does with configuration that is there already: conf/install-unless-there.
install_conf() { "$project/conf/install-unless-there" "$scratch/etc/ksign" "$project/conf/ksign.conf" "$project/conf/x509.oot.genkey" >"$out"; }
conf=$scratch/etc/ksign/ksign.conf out=$scratch/out

step "packages have all of it, readable by everyone"
for file in etc/dkms/kernel-sign.conf etc/ksign/{dkms-framework.conf,ksign.conf,x509.oot.genkey}; do
    [[ $(stat -c %a "$installed/$file") == 644 ]] || fail "$file is not installed, or with another mode"
done
! grep -r '@[a-z_]*@' "$installed/etc" || fail "a path is not filled in"

step "onto a system without it, and again: no word, nothing beside it"
for round in 1 2; do
    install_conf
    cmp "$project/conf/ksign.conf" "$conf"
    [[ ! -s $out && $(ls "$scratch/etc/ksign") == $'ksign.conf\nx509.oot.genkey' ]] || fail "round $round: $(<"$out")"
done

step "an edited file stays; the new one is beside it until they agree"
echo "key = /root/MOK.priv" >>"$conf"
install_conf
[[ $(tail -n 1 "$conf") == "key = /root/MOK.priv" ]] || fail "the user's key is lost"
cmp "$project/conf/ksign.conf" "$conf.new"
expect_in "$out" "$conf is kept as it is; the new one is $conf.new"
cp "$conf.new" "$conf"
install_conf
[[ ! -e $conf.new ]] || fail "it is there still"

step "what builds the packages tells how"
"$project/packaging/build-package" --help >"$out"
expect_in "$out" "Usage: packaging/build-package debian|rpm|arch OUTPUT_FOLDER"
status=0
"$project/packaging/build-package" debian >"$out" 2>&1 || status=$?
((status == 2)) || fail "without a folder it ended with $status"

step "for a packager, whose package manager decides"
echo edited >"$conf"
DESTDIR=$scratch "$project/conf/install-unless-there" /etc/ksign "$project/conf/ksign.conf"
cmp "$project/conf/ksign.conf" "$conf"
