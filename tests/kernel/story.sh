# shellcheck shell=bash disable=SC2034,SC2154 # shares variables with tests/kernel/run
#
# The whole story: a key in a kernel's certs-local, a kernel built with CONFIG_SYSTEM_TRUSTED_KEYS naming it, a package
# that real DKMS builds and installs for that kernel, and kmod's modprobe under sig_enforce=1. Sourced by
# tests/kernel/run; needs tests/dkms/environment.sh, boot.sh and judge.sh.
#
# For the two kernels that are built from nothing, as DKMS takes its time.

# How the package comes to its signatures: ksign as POST_BUILD, ksign in place of sign-file, DKMS as it comes, which
# signs with a key of its own making. Then what this kernel must answer, and say.
stories=(
    "post-build|OK|-"
    "sign-file|OK|-"
    "without-ksign|EKEYREJECTED|Loading of module with unavailable key is rejected"
)

# What this kernel's modules are compressed with.
suffix_of() {
    case $1 in
        6.1) echo xz ;;
        7.3) echo zst ;;
    esac
}

# Who loads them: Debian 12's kmod, which decompresses, and Debian 13's, which has the kernel do it.
kmod_of() { [[ $1 == 6.1 ]] && echo modprobe || echo newer-modprobe; }

# forget_package: what the story before has left.
forget_package() {
    rm -rf /var/lib/dkms/* /usr/src/ksign-sample-1.0 "/lib/modules/$release/"{updates,kernel,modules.*}
    rm -rf /etc/dkms/ksign-sample.conf /etc/dkms/framework.conf.d
}

# build_package STORY: real DKMS. What it installs is left below /lib/modules.
build_package() {
    kernel=$release plain_module=$build/probe/ksign_probe.ko scratch=$work/$label/dkms
    # UML is an architecture to the kernel's make alone, which takes it from here.
    if [[ $(machine_of "$label") == um ]]; then export ARCH=um; fi
    compressed_kernel "$kernel" "$(suffix_of "$label")"
    add_sample ksign-sample
    case $1 in
        post-build) link_post_build ksign-sample ;;
        sign-file) link_framework ;;
    esac
    dkms_build ksign-sample
    dkms_says "$scratch/said.install" install -m ksign-sample -v 1.0 -k "$kernel"
}

# pack_story STORY: a root folder with what DKMS installed, and a line of the guest's list for each module.
pack_story() {
    local story=$1 modules=$work/$label/cases/$1/lib/modules module file
    mkdir -p "$modules"
    cp -r "/lib/modules/$release" "$modules/"
    rm "$modules/$release/build"
    for module in ksign_sample_one ksign_sample_two; do
        file=$(find "$modules/$release/updates" -name "$module.ko.$(suffix_of "$label")")
        [[ -f $file ]] || fail "$label: DKMS installed no compressed $module ($story)"
        echo "$story-$module $(kmod_of "$label") /cases/$story $module"
    done >>"$work/$label/cases/list"
    # compressed_kernel's module, which made DKMS compress, is not all there.
    rm -r "$modules/$release/kernel"
    index_modules "$work/$label/cases/$story"
}

# judge_story STORY ANSWER CONSOLE: a result for each of its modules.
judge_story() {
    local story=$1 answer=$2 console=$3 module
    for module in ksign_sample_one ksign_sample_two; do
        judge_case "$story-$module" "DKMS, $story" "$(kmod_of "$label")" "$answer" "$console"
    done
}

# judge_stories: all of them, in one boot.
judge_stories() {
    [[ $label == 6.1 || $label == 7.3 ]] || return 0
    local row story answer console start=$SECONDS
    results=0
    rm -rf "${work:?}/$label"
    mkdir -p "$work/$label/cases" "$work/$label/dkms"
    for row in "${stories[@]}"; do
        story=${row%%|*}
        forget_package
        if ! (build_package "$story") >"$work/$label/dkms/log" 2>&1; then
            cat "$work/$label/dkms/log"
            fail "$label: DKMS did not build the package ($story)"
        fi
        pack_story "$story"
    done
    boot_cases "$label-dkms"
    for row in "${stories[@]}"; do
        IFS='|' read -r story answer console <<<"$row"
        judge_story "$story" "$answer" "$console"
    done
    result "$label has judged all that DKMS installed" test "$results" = 6 -a "$(answers)" = 6
    echo "$label: DKMS's packages in $((SECONDS - start)) s"
}
