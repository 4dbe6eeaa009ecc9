# shellcheck shell=bash disable=SC2154
# The newest DKMS that Debian has.
use_dkms sid
play_post_build_of_newer_dkms 0
play_native_of_newer_dkms
