# shellcheck shell=bash
#
# bash completion for ksign. Needs nothing of the bash-completion package but to
# be loaded by it; tests/tool/documentation holds it against `ksign --help`.

# Offers those of the words given that begin with what is being typed. Not by
# compgen -W, which would expand what a folder's name holds.
_ksign_offer() {
    local word
    for word in "$@"; do
        [[ $word == "$current"* ]] && COMPREPLY+=("$word")
    done
    return 0
}

# The same for the words that a command prints, one a line.
_ksign_offer_output() {
    local -a printed
    mapfile -t printed < <("$@" | grep -x '[[:alnum:]_.+~-]*')
    _ksign_offer "${printed[@]}"
}

_ksign_offer_files() {
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
}

_ksign_offer_folders() {
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -d -- "$current")
}

# The kernels that have modules below $root.
_ksign_kernels() {
    local folder
    for folder in "${root%/}"/lib/modules/*/; do
        [[ -d $folder ]] && basename "$folder"
    done
}

# The names of the modules of $kernel, as modprobe knows them.
_ksign_modules() {
    local list=${root%/}/lib/modules/$kernel/modules.dep
    [[ -r $list ]] && sed 's|:.*||; s|.*/||; s|\.ko.*||; s|-|_|g' "$list"
}

# The packages that DKMS knows below $root.
_ksign_dkms_packages() {
    local folder
    for folder in "${root%/}"/var/lib/dkms/*/; do
        [[ -d $folder ]] && basename "$folder"
    done
}

_ksign_hashes() {
    printf '%s\n' sha1 sha224 sha256 sha384 sha512 sha3-256 sha3-384 sha3-512
}

_ksign_types() {
    printf '%s\n' rsa-2048 rsa-3072 rsa-4096 p-256 p-384 p-521 ml-dsa-44 ml-dsa-65 ml-dsa-87
}

# _ksign_offer_value OPTION: what may follow it. Fails if the option takes no value.
_ksign_offer_value() {
    case $command:$1 in
        sign-file:*) return 1 ;;
        genkeys:-c | genkeys:--config) _ksign_offer_files ;;
        *:-r | *:--refresh) _ksign_offer 7d 24h 30days always ;;
        sign_module:-d | sign_module:--directory) _ksign_offer_folders ;;
        *:--type) _ksign_offer_output _ksign_types ;;
        *:-k | *:--kernel) _ksign_offer_output _ksign_kernels ;;
        *:--hash) _ksign_offer_output _ksign_hashes ;;
        *:--root | *:--dkms-tree | *:--certs-local | *:--source) _ksign_offer_folders ;;
        *:--key | *:--certificate | *:--pin-file | *:--config | *:--kernel-config | *:--profile | *:--image | *:--trust | \
            *:--initramfs | *:--der)
            _ksign_offer_files
            ;;
        *:--enforce) _ksign_offer yes no ;;
        *:--lockdown) _ksign_offer none integrity confidentiality ;;
        *:--load) _ksign_offer modprobe kernel plain ;;
        *:-j | *:--jobs | *:--level | *:--max-size | *:--module | *:--module-version | *:--arch | *:--cn | *:--days | \
            *:--keep | *:--khash | *:--ktype)
            COMPREPLY=()
            ;;
        *) return 1 ;;
    esac
}

_ksign() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    local command=${COMP_WORDS[1]-} kernel="" root=/ word index first=2
    local -a words=() options
    COMPREPLY=()

    if ((COMP_CWORD == 1)); then
        _ksign_offer sign show verify audit strip keys config dkms post-build sign-file sign-tool genkeys install-certs sign_module \
            --help --version
        return
    fi
    # Names of two words.
    case $command in
        keys | config | dkms)
            if ((COMP_CWORD == 2)); then
                [[ $command != keys ]] || _ksign_offer generate refresh install show enroll --help
                [[ $command != config ]] || _ksign_offer check update --help
                [[ $command != dkms ]] || _ksign_offer enable disable status --help
                return
            fi
            command+=" ${COMP_WORDS[2]}"
            first=3
            ;;
    esac

    # "--hash=sha" comes as three words, unless COMP_WORDBREAKS was changed.
    if [[ $current == = ]]; then
        current="" previous=${COMP_WORDS[COMP_CWORD - 1]}
    elif [[ $previous == = ]]; then
        previous=${COMP_WORDS[COMP_CWORD - 2]}
    fi

    # What was typed before: the kernel, the root, and the words that are no options.
    for ((index = first; index < COMP_CWORD; ++index)); do
        word=${COMP_WORDS[index]}
        case $command:$word in
            *:=) ;;
            sign-file:-*) ;;
            *:-k | *:--kernel | *:--root | *:--key | *:--certificate | *:--pin-file | *:--hash | *:--level | \
                *:--max-size | *:--config | *:--dkms-tree | *:--module | *:--module-version | *:--arch | \
                *:--image | *:--trust | *:--initramfs | *:--enforce | *:--lockdown | *:--load | *:-j | *:--jobs | \
                *:--certs-local | *:--kernel-config | *:--type | *:--profile | *:--cn | *:--days | *:--keep | \
                *:-r | *:--refresh | *:--source | *:--der | genkeys:-c | *:--khash | *:--ktype | sign_module:-d | *:--directory)
                [[ ${COMP_WORDS[index + 1]-} == = ]] && ((++index))
                ((++index))
                case $word in
                    -k | --kernel) kernel=${COMP_WORDS[index]-} ;;
                    --root) root=${COMP_WORDS[index]-} ;;
                esac
                ;;
            post-build:--) return ;;
            *:-*) ;;
            *) words+=("$word") ;;
        esac
    done

    if _ksign_offer_value "$previous"; then
        return
    fi

    case $command in
        sign)
            options=(-k --kernel --root --key --certificate --pin-file --insecure --hash --level
                --max-size -n --dry-run -f --force --all-modules --rebuild-initramfs
                -j --jobs --json --config)
            ;;
        show) options=(-k --kernel --root --max-size --json --config) ;;
        verify)
            options=(-k --kernel --root --image --kernel-config --trust --enforce --lockdown --load -j --jobs
                --max-size --json --config)
            ;;
        audit)
            options=(-k --kernel --root --image --kernel-config --trust --initramfs -j --jobs --max-size --json --config)
            ;;
        strip) options=(-k --kernel --root --level --max-size -n --dry-run --json --config) ;;
        post-build) options=(--dkms-tree --module --module-version -k --kernel --arch --config) ;;
        sign-file) options=(-d -p -k -i -s) ;;
        sign-tool) options=(--config) ;;
        "keys generate" | "keys refresh")
            options=(--certs-local --kernel-config -k --kernel --root --type --hash --profile --cn --days
                --code-signing --ca --keep)
            [[ $command != "keys refresh" ]] || options+=(--refresh)
            ;;
        "keys install") options=(--certs-local --native --public-only) ;;
        "keys show") options=(-k --kernel --root --refresh --json) ;;
        "keys enroll") options=(-k --kernel --root --der --yes --json --config) ;;
        "config check") options=(--certs-local --fix --json) ;;
        "config update") options=(--certs-local --source --replace -n --dry-run) ;;
        "dkms enable") options=(--all --native --append --root) ;;
        "dkms disable") options=(--native --root) ;;
        "dkms status") options=(--root --json --config) ;;
        genkeys) options=(-r --refresh -c --config -v --verb --khash --ktype) ;;
        install-certs) options=() ;;
        sign_module) options=(-d --directory) ;;
        *) return ;;
    esac
    if [[ $current == -* ]]; then
        _ksign_offer "${options[@]}" -h --help
        return
    fi

    case $command in
        sign | show | verify | strip)
            # With a kernel, a word without a slash is a module's name, and never a file.
            if [[ -n $kernel && $current != */* ]]; then
                _ksign_offer_output _ksign_modules
            else
                _ksign_offer_files
            fi
            ;;
        "keys enroll" | "config check" | "config update" | sign_module) _ksign_offer_files ;;
        "keys install" | install-certs) _ksign_offer_folders ;;
        "dkms enable" | "dkms disable") _ksign_offer_output _ksign_dkms_packages ;;
        sign-file)
            # HASH KEY CERTIFICATE MODULE; with -s, RAW-SIGNATURE HASH CERTIFICATE MODULE.
            index=0
            for word in "${COMP_WORDS[@]:2:COMP_CWORD-2}"; do
                [[ $word == -*s* ]] && index=1
            done
            if ((${#words[@]} == index)); then
                _ksign_offer_output _ksign_hashes
            else
                _ksign_offer_files
            fi
            ;;
        sign-tool)
            if ((${#words[@]} == 0)); then
                _ksign_offer_output _ksign_kernels
            else
                _ksign_offer_files
            fi
            ;;
    esac
}

complete -F _ksign ksign
