# shellcheck shell=bash disable=SC2034,SC2154 # shares variables with tests/kernel/run
#
# What `ksign verify` says of the modules before a kernel is asked. Sourced by tests/kernel/run; needs kernels.sh,
# making.sh, $work, $label with its $build folder and $release.

# known_of_kernel: what ksign is told of it. That which the firmware holds is seen from within alone: see
# expect_same_by_firmware.
known_of_kernel() {
    local key
    known=(--image "$build/image" --lockdown none)
    if [[ $label != 6.12 ]]; then
        known+=(--kernel-config "$build/.config")
        return
    fi
    known+=(--kernel-config "$(unpacked stock-6.12)/boot/config-$release")
    for key in $(trusted_keys_of "$label"); do
        known+=(--trust "$keys/$key.pem")
    done
}

# load_word HOW FILE: verify's word for a way of the table. modprobe is this machine's, by which verify goes as well.
load_word() {
    case $1 in
        plain) echo plain ;;
        modprobe) echo modprobe ;;
        *) [[ $(head -c 4 "$2" | od -An -c) == *E*L*F* ]] && echo plain || echo kernel ;;
    esac
}

# file_of PATH MODULE: the file of a line of the guest's list, which names it or the root folder that it is installed in.
file_of() {
    if [[ -f $work/$label$1 ]]; then
        echo "$work/$label$1"
    else
        find "$work/$label$1/lib/modules" -name "$2.ko*"
    fi
}

# predict FOLDER: of every line of the guest's list, "ERRNO|CONSOLE" into FOLDER/NAME, by what is in known; OK for what
# loads.
predict() {
    local folder=$1 name how path module word with_newer="" line
    local -A names=() files=()
    rm -rf "$folder"
    mkdir "$folder"
    # ML-DSA is verified by OpenSSL 3.5.
    if [[ $label == 7.3* ]]; then with_newer=yes; fi
    while read -r name how path module; do
        path=$(file_of "$path" "$module")
        word=$(load_word "$how" "$path")
        names[$path]=$name
        files[$word]+=$path$'\n'
    done <"$work/$label/cases/list"
    for word in "${!files[@]}"; do
        # Exit code 1: some would be refused.
        mapfile -t paths <<<"${files[$word]%$'\n'}"
        ksign_as ksign verify --json --load "$word" "${known[@]}" "${paths[@]}" >"$folder/$word.json" ||
            (($? == 1)) || fail "$label: ksign verify predicts nothing"
        while IFS='|' read -r path line; do
            echo "$line" >"$folder/${names[$path]}"
        done < <(predicted_lines "$folder/$word.json")
    done
}

# expect_same_by_firmware LOG: the variables of the firmware, as the guest has shown them, say the same of its keys as their
# certificates by name. A list of what is otherwise is in $work/$label/by-firmware.log.
expect_same_by_firmware() {
    local root=$work/$label/root variables=$work/$label/root/sys/firmware/efi/efivars known
    rm -rf "$root"
    mkdir -p "$variables" "$root/lib/modules/$release" "$root/proc/sys/kernel"
    echo "$release" >"$root/proc/sys/kernel/osrelease"
    tr -d '\r' <"$1" | sed -n 's/.*ksign-test: variable \([^ ]*\) \([0-9a-f]*\)$/\1 \2/p' | while read -r name digits; do
        # shellcheck disable=SC2016 # perl's
        perl -e 'print pack "H*", $ARGV[0]' "$digits" >>"$variables/$name"
    done
    ls -l "$variables"
    known=(--image "$build/image" --kernel-config "$(unpacked stock-6.12)/boot/config-$release" --lockdown none
        --root "$root" -k "$release")
    predict "$work/$label/by-firmware"
    diff -r --exclude='*.json' "$work/$label/predicted" "$work/$label/by-firmware"
} >"$work/$label/by-firmware.log" 2>&1

# predicted_lines FILE: of each module, "PATH|ERRNO|CONSOLE". One has one line of JSON; no quotation marks are in these.
predicted_lines() {
    sed -nE -e 's/.*"path": "([^"]*)", "verdict": "loads".*"console": "([^"]*)".*/\1|OK|\2/p; t' \
        -e 's/.*"path": "([^"]*)", "verdict": "refused", "errno": "([^"]*)".*"console": "([^"]*)".*/\1|\2|\3/p' "$1"
}

# mispredicted NAME ANSWER SAID: prints how the kernel was not as predicted; nothing where it was.
mispredicted() {
    local file=$work/$label/predicted/$1 answer console lines line
    if [[ ! -s $file ]]; then
        echo "no prediction"
        return
    fi
    IFS='|' read -r answer console <"$file"
    if [[ $2 != "$answer" ]]; then
        echo "predicted $answer"
    elif [[ -z $console && $answer != OK && -n $3 ]]; then
        echo "predicted to be silent"
    fi
    # JSON's newlines.
    mapfile -t lines <<<"${console//\\u000a/$'\n'}"
    for line in "${lines[@]}"; do
        [[ $3 == *"$line"* ]] || echo "predicted, and not said: $line"
    done
}
