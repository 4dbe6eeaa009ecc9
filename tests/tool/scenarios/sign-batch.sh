# shellcheck shell=bash disable=SC2154,SC2164 # variables of environment.sh; set -e of run
# Files and folders of many modules: what fails does not stop the rest, --dry-run
# changes nothing, and --json says the same to programs, whatever the names are.
signing=(--hash sha256 --key "$keys/rsa2048.key" --certificate "$keys/rsa2048.der")

fill() {
    rm -rf tree
    new_module tree/plain.ko
    new_module tree/deep/er/packed.ko.zst zst
    new_module tree/deep/packed.ko.xz xz
    new_module tree/deep/er/packed.ko.gz gz
    new_module tree/signed.ko
    sign-file sha256 "$keys/rsa2048.key" "$keys/rsa2048.der" tree/signed.ko
    new_module tree/other.ko
    sign-file sha512 "$keys/p384.key" "$keys/p384.der" tree/other.ko
    xz -c <tree/signed.ko >tree/crc64.ko.xz
    echo broken >tree/broken.ko
    # Not modules by their names, so a folder's walk passes them by.
    new_module tree/module.txt
    new_module tree/module.ko.bak
    mkdir tree/folder.ko
    ln -s deep/packed.ko.xz tree/link.ko.xz
    ln -s nowhere tree/dangling.ko
    # Links to folders are not followed: they may lead anywhere.
    new_module elsewhere/elsewhere.ko
    ln -sfn ../elsewhere tree/link-to-folder
}

step "--dry-run: what would be done, with the exit code that it would have, and nothing is"
fill
no_change expect_exit 1 ksign sign --dry-run "${signing[@]}" tree
expect_in "$out" "tree/plain.ko: would be signed (ksign test key rsa2048, RSA-2048, sha256, plain)"
expect_in "$out" "tree/signed.ko: already signed ("
expect_in "$out" "tree/other.ko: would be signed again ("
expect_in "$out" "tree/crc64.ko.xz: would be repacked ("
said tree/broken.ko "not an ELF file" ""
no_change expect_exit 1 ksign sign -n --json "${signing[@]}" tree
expect_json '{m["dry_run"] for m in d["modules"] if not "error" in m}' "{True}"

step "a folder, recursively; a batch goes on after a failure and ends with 1"
expect_exit 1 ksign sign "${signing[@]}" tree
for module in plain.ko deep/er/packed.ko.zst deep/packed.ko.xz deep/er/packed.ko.gz signed.ko other.ko crc64.ko.xz; do
    expect_signed tree/$module rsa2048 sha256
done
expect_loadable tree/deep/er/packed.ko.zst zst
expect_loadable tree/deep/packed.ko.xz xz
expect_loadable tree/deep/er/packed.ko.gz gz
expect_loadable tree/crc64.ko.xz xz
[[ -L tree/link.ko.xz ]] || fail "a link was replaced"
[[ $(<tree/broken.ko) == broken ]] || fail "what is no module was changed"
expect_unsigned elsewhere/elsewhere.ko
expect_unsigned tree/module.txt
expect_unsigned tree/module.ko.bak
said tree/broken.ko "not an ELF file" ""
expect_in "$err" "ksign: 1 of 9 modules failed"
for line in "plain.ko: signed (ksign test key rsa2048, RSA-2048, sha256, plain)" "deep/er/packed.ko.zst: signed (" \
    "signed.ko: already signed (" "other.ko: signed again (" "crc64.ko.xz: repacked (" "link.ko.xz: already signed ("; do
    expect_in "$out" "tree/$line"
done
[[ $(wc -l <"$out") == 8 ]] || fail "not one line a module: $(<"$out")"
expect_files tree broken.ko crc64.ko.xz dangling.ko deep deep/er deep/er/packed.ko.gz deep/er/packed.ko.zst \
    deep/packed.ko.xz folder.ko link-to-folder link.ko.xz module.ko.bak module.txt other.ko plain.ko signed.ko

step "again: nothing is touched"
rm tree/broken.ko
unchanged ksign sign "${signing[@]}" tree
[[ $(grep -c ': already signed (' "$out") == 8 ]] || fail "not all were left alone: $(<"$out")"
expect_exit 0 ksign sign --force "${signing[@]}" tree/plain.ko
expect_in "$out" "tree/plain.ko: signed again ("

step "files and folders together, in the order of the arguments, in the forms that one types"
fill
rm tree/broken.ko
expect_exit 1 ksign sign "${signing[@]}" ./tree/plain.ko tree/missing.ko "$PWD/tree/deep/" tree/other.ko
mapfile -t lines <"$out"
[[ ${lines[0]} == "./tree/plain.ko: "* && ${lines[1]} == "$PWD/tree/deep/er/packed.ko.gz: "* &&
    ${lines[-1]} == "tree/other.ko: "* ]] || fail "another order: $(<"$out")"
said tree/missing.ko "No such file or directory" ""
# A named file is taken whatever its name is.
expect_exit 0 ksign sign "${signing[@]}" tree/module.txt
expect_signed tree/module.txt rsa2048 sha256
new_module ./-dash.ko
expect_exit 0 ksign sign "${signing[@]}" -- -dash.ko
rm ./-dash.ko

# Of containers that no kernel reads; of others, what is compressed stays as it is.
step "levels"
for container in xz zst gz; do
    new_module plain.ko
    case $container in
        xz) xz --check=crc64 -c plain.ko >odd.ko ;;
        zst) zstd -q -3 <plain.ko >odd.ko ;;
        gz) { head -c 2000 plain.ko | gzip && tail -c +2001 plain.ko | gzip; } >odd.ko ;;
    esac
    cp odd.ko low.ko
    cp odd.ko high.ko
    expect_exit 0 ksign sign "${signing[@]}" --level 1 low.ko
    expect_exit 0 ksign sign "${signing[@]}" --level 9 high.ko
    expect_loadable low.ko $container
    expect_loadable high.ko $container
    (($(stat -c %s low.ko) > $(stat -c %s high.ko))) || fail "$container: level 1 compresses no less than level 9"
    cp high.ko by-option.ko
    cp odd.ko high.ko
    printf 'level-xz = 9\nlevel-zstd = 9\nlevel-gzip = 9\n' >ksign.conf
    expect_exit 0 ksign sign --config ksign.conf "${signing[@]}" high.ko
    cmp high.ko by-option.ko || fail "ksign.conf's level is not the option's"
done

step "--json"
fill
expect_exit 1 ksign sign --json "${signing[@]}" tree tree/missing.ko
expect_json 'd["schema"]' 1
expect_json 'len(d["modules"])' 10
expect_json '[m["path"] for m in d["modules"]] == sorted(m["path"] for m in d["modules"][:-1]) + ["tree/missing.ko"]' True
cat >expected <<'END'
tree/broken.ko: error: not a kernel module: it is not an ELF file
tree/crc64.ko.xz: repacked xz 0
tree/deep/er/packed.ko.gz: signed gzip 0
tree/deep/er/packed.ko.zst: signed zstd 0
tree/deep/packed.ko.xz: signed xz 0
tree/link.ko.xz: already signed xz 0
tree/missing.ko: error: open: No such file or directory
tree/other.ko: signed again plain 1
tree/plain.ko: signed plain 0
tree/signed.ko: already signed plain 0
END
json_value "$out" '"\n".join(m["path"] + ": " + ("error: " + m["error"]["reason"] if "error" in m else
    "%s %s %d" % (m["outcome"], m["container"], m["signatures_removed"])) for m in d["modules"])' | sort | diff expected -
expect_json '{(m["hash"], m["signer"], m["key"], m["dry_run"]) for m in d["modules"] if not "error" in m}' \
    "{('sha256', 'ksign test key rsa2048', 'RSA-2048', False)}"
serial=$(openssl x509 -in "$keys/rsa2048.pem" -noout -serial)
expect_json '{m["serial"].replace(":", "") for m in d["modules"] if not "error" in m}' "{'${serial#serial=}'}"
# People still see the errors; programs need not parse them.
said tree/broken.ko "not an ELF file" ""

step "names that break lines, quotes and encodings"
rm -rf tree
# é and a smiling face; a byte that is no UTF-8; what JSON has to escape; a colour; text from right to left.
names=($'with space.ko' $'quote".ko' $'back\\slash.ko' $'new\nline.ko' $'tab\t.ko' $'\xc3\xa9\xf0\x9f\x98\x80.ko' $'bad\xff\xc3.ko'
    $'\x1b[31mred.ko' $'\xc2\x9b31mred.ko' $'next\xc2\x85line.ko' $'byte\x9b31mred.ko' $'surrogate\xed\xa0\x80.ko' $'{"a": [1]}.ko' $'%s%n.ko' $'\x7f.ko' "a'b.ko"
    $'turned\xe2\x80\xaeok.ko' $'line\xe2\x80\xa8two.ko')
for name in "${names[@]}"; do
    new_module "tree/$name"
done
[[ $(find tree -type f -printf x) == "$(printf 'x%.0s' "${names[@]}")" ]] || fail "the file system takes no such names"
for command in "sign ${signing[*]}" show strip; do
    # shellcheck disable=SC2086 # words
    expect_exit 0 ksign $command --json tree
    expect_json 'len(d["modules"])' ${#names[@]}
    ! LC_ALL=C grep -qP '\xc2[\x80-\x9f]|\xe2\x80[\xa8-\xae]|[\x00-\x09\x0b-\x1f\x7f]' "$out" || fail "control characters in JSON: $(cat -v "$out")"
    for name in 'with space.ko' 'quote".ko' 'back\\slash.ko' 'new\nline.ko' 'tab\t.ko' '\u00e9\U0001f600.ko' 'bad\ufffd\ufffd.ko' \
        '\x1b[31mred.ko' '\x9b31mred.ko' 'next\x85line.ko' 'byte\ufffd31mred.ko' '{"a": [1]}.ko' '%s%n.ko' '\x7f.ko' "a\\'b.ko" \
        'turned\u202eok.ko' 'line\u2028two.ko'; do
        expect_json "sum(m['path'] == 'tree/' + '$name' for m in d['modules'])" 1
    done
done
expect_exit 0 ksign sign "${signing[@]}" tree
[[ $(wc -l <"$out") == "${#names[@]}" ]] || fail "a name has broken a line: $(<"$out")"
expect_in "$out" 'tree/new\x0aline.ko: signed ('
expect_in "$out" 'tree/\x1b[31mred.ko: signed ('
for name in '\xc2\x9b31mred' 'next\xc2\x85line' 'byte\x9b31mred' 'bad\xff\xc3' 'surrogate\xed\xa0\x80' $'\xc3\xa9\xf0\x9f\x98\x80' \
    'turned\xe2\x80\xaeok' 'line\xe2\x80\xa8two'; do
    expect_in "$out" "tree/$name.ko: signed ("
done
for name in "${names[@]}"; do
    cp "tree/$name" copy.ko
    expect_signed copy.ko rsa2048 sha256
done

step "JSON of nothing but failures, and of what failed before any module"
expect_exit 1 ksign sign --json "${signing[@]}" missing.ko
expect_json 'len(d["modules"]), d["modules"][0]["path"], d["modules"][0]["error"]["subject"]' "(1, 'missing.ko', 'missing.ko')"

step "wrong usage is told before anything is done, asked or printed"
mkdir empty
for command in "sign ${signing[*]}" "sign --key $keys/encrypted.key --certificate $keys/rsa2048.der --pin-file none" "verify --image none"; do
    for json in "" --json; do
        # shellcheck disable=SC2086 # words
        usage_error "--jobs: '0' is not a number" ksign $command $json -j 0 empty missing.ko
    done
done

step "several at a time, in order"
mkdir many
for ((number = 100; number < 300; number++)); do
    new_module many/$number.ko
done
echo text >many/150.ko
expect_exit 1 ksign sign -j 4 "${signing[@]}" many
cut -d : -f 1 "$out" >order
[[ $(wc -l <order) == 199 ]] || fail "$(wc -l <order) of 199 lines"
sort -c order || fail "the lines are not in order"
expect_in "$err" "many/150.ko"
expect_in "$err" "1 of 200 modules failed"
rm many/150.ko
expect_exit 0 ksign sign -j 1 "${signing[@]}" many
[[ $(grep -c ': already signed (' "$out") == 199 ]] || fail "not all were signed before"

step "progress on a terminal: messages have lines of their own, and it fits; none where it can't be taken away"
mkdir failing
for ((number = 100; number < 160; number++)); do
    echo text >failing/$number.ko
done
# on_terminal_of COLUMNS TERM: what is on the terminal, \r and escapes as they come.
on_terminal_of() {
    local status=0
    on_terminal "" "stty cols $1; TERM=$2 $bin/ksign sign ${signing[*]} failing >out" || status=$?
    ((status == 1)) || fail "ended with $status: $(<"$shown")"
    [[ $(grep -c 'failing/1[0-5][0-9].ko: not a kernel module' "$shown") == 60 ]] || fail "not all messages: $(<"$shown")"
}
erased=$'\r\e[K'
on_terminal_of 100 xterm
grep -qF "${erased}ksign: failing/" "$shown" || fail "no progress was shown, or not taken away: $(cat -v "$shown")"
! grep -F "ksign: " "$shown" | grep -vE $'^(.*\r\e\\[K)?ksign: ' || fail "a message in the line of progress: $(cat -v "$shown")"
grep -qE $'[0-9]+ of 60, .* left\r\e\\[K' "$shown" || fail "it was cut though there is room: $(cat -v "$shown")"
on_terminal_of 12 xterm
grep -qE $'^[0-9]+ of 60[^\r]*\r\e\\[K' "$shown" || fail "no progress: $(cat -v "$shown")"
! grep -qE $'^[0-9]+ of 60[^\r]{8}' "$shown" || fail "it is too long: $(cat -v "$shown")"
on_terminal_of 100 dumb
expect_not_in "$shown" " of 60,"
expect_not_in "$shown" $'\e'

# expect_stopped PID: by Ctrl-C, and says so.
expect_stopped() {
    local code=0
    kill -INT "$1"
    wait "$1" || code=$?
    ((code == 130)) || fail "exit code $code: $(<stopped.err)"
    expect_in stopped.err "stopped by a signal"
}

step "stopped by a signal"
# What a shell starts in the background ignores SIGINT, and ksign leaves that so.
env --default-signal=INT "$bin/ksign" sign -f -j 2 "${signing[@]}" many many many many many many many many >stopped 2>stopped.err &
sleep 0.1
expect_stopped $!
[[ -z $(find many -name '.*' -type f) ]] || fail "something was left"
[[ $(find many -name '*.ko' | wc -l) == 199 ]] || fail "a module is gone"
"$bin/ksign" sign -f -j 2 "${signing[@]}" many >stopped 2>stopped.err &
stopped=$!
sleep 0.05
kill -INT "$stopped"
wait "$stopped" || fail "SIGINT was not ignored: $(<stopped.err)"

step "stopped by a signal while another holds a module's lock"
exec {lock}<many/100.ko
flock "$lock"
env --default-signal=INT "$bin/ksign" sign -f -j 2 "${signing[@]}" many/100.ko many/101.ko >stopped 2>stopped.err &
# It inherits this shell's, and has opened it itself.
until (($(find "/proc/$!/fd" -lname '*/many/100.ko' 2>/dev/null | wc -l) > 1)); do sleep 0.05; done
expect_stopped $!
exec {lock}<&-
