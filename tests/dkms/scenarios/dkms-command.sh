# shellcheck shell=bash disable=SC2154
# ksign dkms enable, status and disable, with the DKMS of this machine and a user's
# own conf file in the way.
make_certs_local "$kernel"
for name in one two; do
    add_sample "ksign-$name"
    dkms_says said.add add -m "ksign-$name" -v 1.0
done
cat >/etc/dkms/ksign-two.conf <<'END'
# mine
POST_BUILD="mine.sh"
END
cat >/usr/src/ksign-two-1.0/mine.sh <<END
#!/bin/bash
echo ran >>"$scratch/mine"
END
chmod 755 /usr/src/ksign-two-1.0/mine.sh
cp /etc/dkms/ksign-two.conf mine.conf
echo '# mine' >/etc/dkms/framework.conf
find /etc/dkms -printf '%p %l\n' | sort >before

echo "-- not enabled"
! ksign dkms status >said || fail "all is well, it says: $(<said)"
expect_said said "problem: DKMS does not call ksign for it: ksign dkms enable ksign-one"

echo "-- enable: a link; and never over a file that is there"
status=0
ksign dkms enable --all >said 2>&1 || status=$?
cat said
((status == 1)) || fail "enable --all ended with $status"
expect_said said "/etc/dkms/ksign-one.conf: linked to ksign's"
expect_said said "/etc/dkms/ksign-two.conf: is your own, and was left as it is"
expect_said said "add this line to its end, which --append does: . /etc/dkms/kernel-sign.conf"
[[ $(readlink /etc/dkms/ksign-one.conf) == kernel-sign.conf ]] || fail "no link to kernel-sign.conf"
cmp mine.conf /etc/dkms/ksign-two.conf || fail "the user's own file was changed"
ksign dkms enable --append ksign-two
ksign dkms enable --append --all >said
[[ $(grep -c "as it should be already" said) == 2 ]] || fail "a second time: $(<said)"

echo "-- enable: no package's file, and packages that DKMS does not know yet"
for name in framework kernel-sign; do
    ! ksign dkms enable --append "$name" 2>said || fail "$name was enabled"
    expect_said said "'$name': is no DKMS package"
done
ksign dkms enable ksign-later 2>said
expect_said said "ksign-later: DKMS does not know this package yet"
ksign dkms disable ksign-later
add_sample ksign-later
ksign dkms enable ksign-later >said 2>&1
expect_not_said said "does not know"
ksign dkms disable ksign-later

echo "-- DKMS builds, and both get signed; the user's own POST_BUILD runs"
for name in one two; do
    dkms_build "ksign-$name"
    expect_signed_for "$kernel" "$(built "ksign-$name" ksign_sample_one)" "$(built "ksign-$name" ksign_sample_two)"
done
[[ $(wc -l <mine) == 1 ]] || fail "the user's own POST_BUILD ran $(wc -l <mine) times"
ksign dkms status >said || fail "all should be well: $(<said)"
cat said
expect_said said "ksign-two 1.0: ksign is its POST_BUILD"
expect_said said "  $kernel $(uname -m): 2 modules; signed by "
expect_said said "(certs-local of kernel $kernel)"

echo "-- another key, an unsigned module, a file that wins over ours"
certs=/lib/modules/$kernel/build/certs-local
rm -r "$certs"
make_certs_local "$kernel"
cp "$plain_module" "$(built ksign-one ksign_sample_one)"
echo 'POST_BUILD="other.sh"' >"/etc/dkms/ksign-one-1.0-$kernel.conf"
! ksign dkms status >said || fail "all is well, it says: $(<said)"
cat said
expect_said said "problem: 1 module not signed: dkms build --force -m ksign-one -v 1.0 -k $kernel"
expect_said said "problem: 2 modules not signed by today's key (certs-local of kernel $kernel): dkms build --force -m ksign-two"
expect_not_said said "&&"
expect_said said "ksign-one-1.0-$kernel.conf sets POST_BUILD after ksign"
rm "/etc/dkms/ksign-one-1.0-$kernel.conf"
for name in one two; do
    dkms_says said build --force -m "ksign-$name" -v 1.0 -k "$kernel" || fail "dkms build --force failed"
done
ksign dkms status >said || fail "built again, all should be well: $(<said)"

echo "-- lines of the user's after ksign's, which win"
echo 'POST_BUILD="late.sh"' >>/etc/dkms/ksign-two.conf
! ksign dkms status >said || fail "all is well, it says: $(<said)"
expect_said said "ksign-two 1.0: not signed by ksign"
expect_said said "/etc/dkms/ksign-two.conf sets POST_BUILD=late.sh after the line that sources ksign's"
sed -i '$d' /etc/dkms/ksign-two.conf

echo "-- a build that is installed: what the kernel loads is looked at, and the command said mends both"
add_sample ksign-old
dkms_says said install -m ksign-old -v 1.0 -k "$kernel"
ksign dkms enable ksign-old
again() { echo "dkms $1 --force -m ksign-old -v 1.0 -k $kernel"; }
! ksign dkms status >said || fail "all is well, it says: $(<said)"
cat said
expect_said said "$(again build) && $(again install)"
dkms_says said build --force -m ksign-old -v 1.0 -k "$kernel"
! ksign dkms status >said || fail "the kernel still loads the old ones, and status says: $(<said)"
cat said
# Some DKMS have signed them, with a key of their own.
told=$(grep -F "problem: 2 modules installed and not signed" said || true)
[[ $told == *": $(again install)" ]] ||
    fail "what is installed was not told"
eval "$(sed -n 's/.*problem: 2 modules installed and not signed.*: //p' said)" || fail "dkms install --force failed"
ksign dkms status >said || fail "installed again, all should be well: $(<said)"
find "/lib/modules/$kernel/updates" "/lib/modules/$kernel/extra" -name 'ksign_sample_*.ko*' 2>/dev/null >installed || true
[[ $(wc -l <installed) == 2 ]] || fail "installed: $(<installed)"
mapfile -t installed <installed
expect_signed_for "$kernel" "${installed[@]}"

echo "-- what is left of a kernel that is gone, and the command said"
cp -a "/var/lib/dkms/ksign-old/1.0/$kernel" /var/lib/dkms/ksign-old/1.0/1.2.3-gone
ln -s "1.0/1.2.3-gone/$(uname -m)" "/var/lib/dkms/ksign-old/kernel-1.2.3-gone-$(uname -m)"
cp "$plain_module" "$(find /var/lib/dkms/ksign-old/1.0/1.2.3-gone -name 'ksign_sample_one.ko*')"
mkdir -p /lib/modules/1.2.3-gone/updates/dkms
cp "$plain_module" /lib/modules/1.2.3-gone/updates/dkms/ksign_sample_one.ko
ksign dkms status >said || fail "a kernel that is gone is a problem: $(<said)"
expect_said said "note: kernel 1.2.3-gone is gone: dkms unbuild -m ksign-old -v 1.0 -k 1.2.3-gone"
eval "$(sed -n 's/.*note: kernel 1.2.3-gone is gone: //p' said)" || fail "dkms unbuild failed"
ksign dkms status >said || fail "still a problem: $(<said)"
expect_not_said said 1.2.3-gone
rm -r /lib/modules/1.2.3-gone

dkms remove -m ksign-old -v 1.0 --all
ksign dkms disable ksign-old

echo "-- Arch-SKM's file in place of ksign's: DKMS would not call ksign"
cp -p /etc/dkms/kernel-sign.conf own.conf
echo 'POST_BUILD="../../../../../../etc/dkms/kernel-sign.sh"' >/etc/dkms/kernel-sign.conf
! ksign dkms status >said || fail "all is well, it says: $(<said)"
expect_said said "/etc/dkms/kernel-sign.conf: does not call ksign"
expect_said said "ksign-one 1.0: not signed by ksign"
! ksign dkms enable ksign-later 2>said || fail "a package was linked to it"
expect_said said "install ksign anew"
ksign dkms disable 2>said
expect_said said "what leads to it was left, since it may sign"
[[ -L /etc/dkms/ksign-one.conf ]] || fail "another program's link was taken away"
cp -p own.conf /etc/dkms/kernel-sign.conf

echo "-- the native way"
ksign dkms enable --native
[[ $(readlink /etc/dkms/framework.conf.d/ksign.conf) == ../../ksign/dkms-framework.conf ]] || fail "no link"
ksign dkms status --json >said || fail "both ways: $(<said)"
python3 - said <<'END' || fail "JSON: $(<said)"
import json, sys
document = json.load(open(sys.argv[1]))
assert document["schema"] == 1 and document["good"] and document["native"], document
assert [package["way"] for package in document["packages"]] == ["both", "both"]
assert len(document["notes"]) == 1 and "both ways are on" in document["notes"][0]
END
ksign dkms disable ksign-one
add_sample ksign-three
dkms_build ksign-three
expect_said "$said" "/usr/libexec/ksign/sign-file"
expect_signed_for "$kernel" "$(built ksign-three ksign_sample_one)"
printf '%s\n' 'sign_tool="/usr/local/bin/sign"' 'mok_signing_key="/root/mine.key"' >>/etc/dkms/framework.conf
! ksign dkms status >said || fail "all is well, it says: $(<said)"
expect_said said "/etc/dkms/framework.conf sets sign_tool, which DKMS reads no more since 3.0.4"
expect_said said "sets mok_signing_key=/root/mine.key, without effect"
sed -i '$d' /etc/dkms/framework.conf
sed -i '$d' /etc/dkms/framework.conf

echo "-- disable takes away what was made, and nothing else"
ln -s kernel-sign.conf /etc/dkms/gone.conf
! ksign dkms status >said || fail "all is well, it says: $(<said)"
expect_said said "/etc/dkms/gone.conf is for a package that DKMS does not know: ksign dkms disable gone"
ln -s /dev/null /etc/dkms/foreign.conf
ksign dkms disable
cmp mine.conf /etc/dkms/ksign-two.conf || fail "the user's own file is not as it was: $(</etc/dkms/ksign-two.conf)"
[[ $(readlink /etc/dkms/foreign.conf) == /dev/null ]] || fail "a link of somebody else's was removed"
rm /etc/dkms/foreign.conf
find /etc/dkms -printf '%p %l\n' | sort | diff before - || fail "something was left, or is missing"
ksign dkms disable >said
[[ ! -s said ]] || fail "there was still something: $(<said)"

echo "-- a DKMS that knows no framework.conf.d"
use_dkms bullseye
cp /etc/dkms/framework.conf framework.mine
! ksign dkms enable --native 2>said || fail "a user's framework.conf was changed"
expect_said said "/etc/dkms/framework.conf: is your own, and was left as it is"
ksign dkms enable --native --append
add_sample ksign-four
dkms_build ksign-four
expect_signed_for "$kernel" "$(built ksign-four ksign_sample_one)"
ksign dkms status >said || true
cat said
expect_said said "DKMS 2.8."
expect_said said "in place of sign-file: ksign"
echo 'sign_tool="/usr/local/bin/sign"' >>/etc/dkms/framework.conf
! ksign dkms status >said || fail "all is well, it says: $(<said)"
expect_said said "in place of sign-file: not ksign"
expect_said said "/etc/dkms/framework.conf sets sign_tool=/usr/local/bin/sign after the line that sources ksign's"
sed -i '$d' /etc/dkms/framework.conf
ksign dkms disable
cmp framework.mine /etc/dkms/framework.conf || fail "framework.conf is not as it was"

rm /etc/dkms/framework.conf
ksign dkms enable --native >said
expect_said said "/etc/dkms/framework.conf: made, with a line that calls ksign"
ksign dkms enable --native --append >said
expect_said said "as it should be already"
ksign dkms disable --native >said
expect_said said "/etc/dkms/framework.conf: removed"
[[ ! -e /etc/dkms/framework.conf ]] || fail "framework.conf was left"
