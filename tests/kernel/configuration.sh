# shellcheck shell=bash disable=SC2154 # shares variables with tests/kernel/run
#
# What `ksign config check --fix` writes, read by the kernel's own kconfig. Sourced by tests/kernel/run; needs kernels.sh,
# judge.sh, $work, $label with its $build folder.

# The configuration of somebody who signs no modules yet: lines in place of the kernel's own.
careless=(CONFIG_MODULE_SIG_FORCE=y "# CONFIG_MODULE_SIG_ALL is not set" CONFIG_MODULE_SIG_SHA256=y
    CONFIG_MODULE_SIG_KEY_TYPE_RSA=y "# CONFIG_CRYPTO_ECDSA is not set" "# CONFIG_MODULE_DECOMPRESS is not set")

# kconfig_reads FILE: `make olddefconfig`.
kconfig_reads() { in_kernel "$label" "$build" KCONFIG_CONFIG="$1" olddefconfig; }

# careless_configuration FILE: makes it, as this kernel's kconfig writes it.
careless_configuration() {
    grep -vE "CONFIG_(MODULE_(SIG_(FORCE|ALL|SHA.*|HASH|KEY_TYPE.*)|COMPRESS.*|DECOMPRESS)|CRYPTO_ECDSA)[= ]" \
        "$build/.config" >"$1"
    printf '%s\n' "${careless[@]}" >>"$1"
    kconfig_reads "$1"
}

# is_kept: every line that ksign has set or taken off stands as it was after kconfig has read it.
is_kept() {
    local folder=$1 line lost=0
    while read -r line; do
        # What is off may be left out, where what it depends on is off.
        if ! grep -qxF -- "$line" "$folder/.config" && [[ $line != "# "* ]]; then
            echo "kconfig does not keep: $line"
            lost=1
        fi
    done < <(comm -13 <(sort "$folder/careless") <(sort "$folder/fixed") | grep CONFIG_)
    ((lost == 0))
}

fix_is_kept() {
    local folder=$work/$label/configuration
    rm -rf "$folder"
    mkdir -p "$folder"
    careless_configuration "$folder/.config" || return 1
    cp "$folder/.config" "$folder/careless"
    if "$work/bin/ksign" config check "$folder/.config"; then
        echo "there was nothing to mend"
        return 1
    fi
    "$work/bin/ksign" config check --fix "$folder/.config" || return 1
    cp "$folder/.config" "$folder/fixed"
    kconfig_reads "$folder/.config" || return 1
    # Nothing is left to advise either, but for what is the user's own decision.
    "$work/bin/ksign" config check "$folder/.config" >"$folder/said" || return 1
    cat "$folder/said"
    is_kept "$folder" && [[ $(grep -E '^  (MUST|advice) ' "$folder/said") == "  advice "*CONFIG_MODULE_SIG_FORCE* ]]
}

# judge_configuration: a result for each source that kernels are built from.
judge_configuration() {
    [[ $label == 6.1 || $label == 7.3 ]] || return 0
    if fix_is_kept >"$work/$label.configuration" 2>&1; then
        echo "ok $label keeps what config check --fix writes"
    else
        cat "$work/$label.configuration"
        echo "not ok $label keeps what config check --fix writes"
    fi
}
