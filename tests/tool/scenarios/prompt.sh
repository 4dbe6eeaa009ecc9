# shellcheck shell=bash disable=SC2154,SC2164 # variables of environment.sh; set -e of run
# On a terminal a person is asked for the passphrase, and sees none of it.
new_module m.ko
on_terminal correct "$bin/ksign" sign --hash sha256 --key "$keys/encrypted.key" --certificate "$keys/rsa2048.der" m.ko ||
    fail "ended with $?: $(<"$shown")"
expect_signed m.ko rsa2048 sha256
expect_in "$shown" "Passphrase or PIN for $keys/encrypted.key: "
expect_not_in "$shown" correct

step "a wrong one is not asked for again"
new_module m.ko
status=0
on_terminal incorrect "$bin/ksign" sign --key "$keys/encrypted.key" --certificate "$keys/rsa2048.der" m.ko || status=$?
((status == 1)) || fail "ended with $status"
cmp m.ko "$samples/sample.ko"
expect_in "$shown" "(a wrong passphrase?)"
[[ $(grep -c 'Passphrase or PIN for' "$shown") == 1 ]] || fail "asked more than once: $(<"$shown")"

step "what DKMS calls never asks, terminal or not"
new_module m.ko
status=0
on_terminal correct "$bin/sign-file" sha256 "$keys/encrypted.key" "$keys/rsa2048.der" m.ko || status=$?
((status == 1)) || fail "ended with $status"
expect_in "$shown" "needs a passphrase, and there is none"
expect_not_in "$shown" "Passphrase or PIN for"
