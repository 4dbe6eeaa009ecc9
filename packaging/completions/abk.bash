# shellcheck shell=bash
#
# bash completion for abk; tests/tool/documentation holds it against `abk --help`.

# The kernels whose packaging is in the usual place.
_abk_kernels() {
    local file
    for file in ~/build/*/PKGBUILD; do
        [[ -f $file ]] && basename "${file%/*}"
    done
}

_abk() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} word
    local -a words=()
    COMPREPLY=()
    # bash takes "--update=lin" for three words.
    if [[ $current == = ]]; then
        current=
    elif [[ $previous == = ]]; then
        previous=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    case $previous in
        -u | --update | -b | --build | -i | --install | -r | --rebuild | -a | --archive | -w | --warnings)
            mapfile -t words < <(_abk_kernels)
            words+=(linux linux-hardened linux-lts linux-rt linux-rt-lts linux-zen)
            ;;
        -z | --compression) words=(gzip xz zstd none) ;;
        -c | --clean)
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -d -- "$current")
            return
            ;;
        --url) return ;;
        *)
            words=(-u --update --url -b --build -z --compression -i --install -r --rebuild -a --archive -y --yes -c --clean
                -s --clean-sources -l --clean-logs -o --clean-packages -w --warnings -h --help)
            ;;
    esac
    for word in "${words[@]}"; do
        [[ $word == "$current"* ]] && COMPREPLY+=("$word")
    done
    return 0
}

complete -F _abk abk
