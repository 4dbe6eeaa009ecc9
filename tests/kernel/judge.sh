# shellcheck shell=bash disable=SC2034,SC2154 # shares variables with tests/kernel/run
#
# The table: reads it, makes the modules, boots, compares. Sourced by tests/kernel/run; needs making.sh, boot.sh,
# kernels.sh; $work, $label with its $build folder and $release, $report.

# each_case COMMAND…: calls COMMAND with the columns of every line of the table that this kernel is to judge. In bash alone,
# as all that is done by the hundred.
each_case() {
    local columns column name on words
    # Not by stdin: commands may read that.
    while IFS='|' read -r -u 9 -a columns; do
        if ((${#columns[@]} != 6)) || [[ ${columns[0]} == \#* ]]; then continue; fi
        words=()
        for column in "${columns[@]}"; do
            column=${column#"${column%%[! ]*}"}
            words+=("${column%"${column##*[! ]}"}")
        done
        name=${words[0]} on=${words[1]}
        if [[ " $on " == *" $label "* ]] && is_chosen "$name"; then
            "$@" "$name" "${words[@]:2}"
        fi
    done 9<"$table"
}

is_chosen() { ((${#chosen[@]} == 0)) || [[ " ${chosen[*]} " == *" $1 "* ]]; }

# make_case NAME MADE HOW …: the module, in the folder of its case, and its line for the guest.
make_case() {
    local name=$1 made=$2 how=$3 folder=$work/$label/cases/$1
    mkdir -p "$folder"
    file=$folder/ksign_probe.ko
    cp "$build/probe/ksign_probe.ko" "$file"
    make_module "$made" >"$work/$label/making.log" 2>&1 || { cat "$work/$label/making.log" && fail "$label: $name: could not be made"; }
    if [[ " ${spoiled[*]} " == *" $name "* ]]; then
        flip_at $(($(stat -c %s "$file") / 3))
    fi
    case $how in
        plain | packed) echo "$name $how /cases/$name/${file##*/} ksign_probe" ;;
        *)
            mkdir -p "$folder/lib/modules/$release/extra"
            mv "$file" "$folder/lib/modules/$release/extra/"
            index_modules "$folder"
            echo "$name $how /cases/$name ksign_probe"
            ;;
    esac >>"$work/$label/cases/list"
}

# index_modules ROOT: depmod. Debian's reads no gzip, nor does its modprobe look for any: such a module lies under the name
# of a plain one, which depmod sees in its place. What modprobe finds there it knows by the first bytes.
index_modules() {
    local root=$1 packed
    while read -r packed; do
        gzip -dc "$packed" >"${packed%.gz}"
    done < <(find "$root" -name '*.ko.gz')
    touch "$root/lib/modules/$release"/modules.{order,builtin,builtin.modinfo}
    depmod -b "$root" -a "$release"
    find "$root" -name '*.ko.gz' | while read -r packed; do
        mv "$packed" "${packed%.gz}"
    done
}

# split_log LOG FOLDER: what the kernel said of each case into FOLDER/CASE, the answer into FOLDER/CASE.answer.
split_log() {
    mkdir -p "$2"
    tr -d '\r' <"$1" | sed 's/^\[ *[0-9.]*\] //' | awk -v folder="$2" '
        $1 == "ksign-test:" && $2 == "begin" { name = $3; printf "" >(folder "/" name); next }
        $1 == "ksign-test:" && $2 == "end" { answer = folder "/" $3 ".answer"; sub(/^ksign-test: end [^ ]+ /, ""); print >answer; name = ""; next }
        name != "" { print >(folder "/" name) }'
}

# verdict FOLDER NAME ANSWER CONSOLE: prints why the kernel is not as expected; nothing where it is.
verdict() {
    local folder=$1 name=$2 answer=$3 console=$4 got said
    if [[ ! -e $folder/$name.answer ]]; then
        echo "no answer"
        return
    fi
    got=$(<"$folder/$name.answer") said=$(<"$folder/$name")
    if [[ $got != "$answer" ]]; then
        echo "answered $got, not $answer"
    elif [[ $answer == OK && $said != *": loaded"* ]]; then
        echo "loaded, and did not run"
    elif [[ $answer == OK && $said =~ (rejected|Invalid|unsigned) ]]; then
        echo "loaded, with a complaint"
    elif [[ $answer != OK && $said == *": loaded"* ]]; then
        echo "refused, and ran"
    elif [[ $console == silent && -n $said ]]; then
        echo "was not silent"
    elif [[ $console != silent && $console != - && $said != *"$console"* ]]; then
        echo "did not say: $console"
    fi
}

# judge_case NAME MADE HOW ANSWER CONSOLE: one result.
# The kernel has to be as the table says, and as ksign has predicted.
judge_case() {
    local name=$1 made=$2 how=$3 answer=$4 console=$5 folder=$work/$label/said reason got=none said=
    reason=$(verdict "$folder" "$name" "$answer" "$console")
    [[ ! -e $folder/$name.answer ]] || got=$(<"$folder/$name.answer")
    [[ ! -e $folder/$name ]] || said=$(<"$folder/$name")
    [[ -n $reason ]] || reason=$(mispredicted "$name" "$got" "$said")
    said=${said//$'\n'/ ~ }
    ((++results))
    if [[ -z $reason ]]; then
        echo "ok $label $name"
    else
        echo "not ok $label $name: $reason; the kernel said: ${said:-nothing}"
    fi
    printf '%s | %s | %s | %s | %s | %s | %s | %s\n' "$label" "$name" "$made" "$how" "$answer" "$got" "${said:--}" \
        "${reason:-as expected}" >>"$work/$label.report"
}

# The judges must be able to say no: an answer other than the kernel's, a word that it did not say, a case that it was not
# asked and a wrong prediction have to be found out, by what this kernel has really said.
check_the_judge() {
    local name=$1 folder=$work/$label/said got other=OK
    [[ -e $folder/$name.answer ]] || return 0
    got=$(<"$folder/$name.answer")
    [[ $got != OK ]] || other=EKEYREJECTED
    [[ -n $(verdict "$folder" "$name" "$other" -) && -n $(verdict "$folder" "$name" "$got" "no kernel says this") &&
        -n $(verdict "$folder" "no-such-case" OK -) && -n $(mispredicted "$name" "$other" "") ]] || blind+=" $name"
}

# boot_cases NAME: boots what lies in $work/$label/cases. The console is kept beside the report, by that name; what was
# said of each case is in $work/$label/said.
boot_cases() {
    local folder=$work/$label known
    known_of_kernel
    predict "$folder/predicted"
    if [[ $label == 6.12 ]]; then
        xz -dc "$(unpacked stock-6.12)/lib/modules/$release/kernel/fs/efivarfs/efivarfs.ko.xz" >"$folder/cases/efivarfs.ko"
    fi
    make_initramfs "$folder/cases" "$folder/initramfs"
    boot "$label" "$folder/initramfs" "$folder/log" || echo "$label did not end by itself"
    cp "$folder/log" "${report%.txt}-$1.log"
    split_log "$folder/log" "$folder/said"
    if [[ $label == 6.12 ]]; then
        result "$label: the firmware's own variables tell ksign of the same keys" expect_same_by_firmware "$folder/log"
    fi
    rm -rf "$folder/cases" "$folder/initramfs"
}

# judge_table: all cases of a kernel, in one boot.
judge_table() {
    local wanted start=$SECONDS blind=""
    results=0
    mkdir -p "$work/$label/cases"
    touch "$work/$label/cases/list"
    each_case make_case
    wanted=$(wc -l <"$work/$label/cases/list")
    if ((wanted == 0 && ${#chosen[@]} > 0)); then
        echo "$label: none of these cases"
        return
    fi
    ((wanted > 0)) || fail "there are no cases for $label"
    boot_cases "$label"
    each_case judge_case
    each_case check_the_judge
    result "$label finds out what is not so" test -z "$blind"
    result "$label has judged all $wanted cases" test "$results" = "$wanted" -a "$(answers)" = "$wanted"
    echo "$label: $wanted cases in $((SECONDS - start)) s"
}

answers() { find "$work/$label/said" -name '*.answer' | wc -l; }

# result NAME COMMAND…
result() {
    local name=$1
    shift
    if "$@"; then
        echo "ok $name"
    else
        echo "not ok $name"
    fi
}
