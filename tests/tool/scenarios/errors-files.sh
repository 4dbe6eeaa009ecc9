# shellcheck shell=bash disable=SC2154,SC2164 # variables of environment.sh; set -e of run
# Paths that lead to no module, and files that can't be replaced.
signing=(--key "$keys/rsa2048.key" --certificate "$keys/rsa2048.der")
sign_file=(sign-file sha512 "$keys/rsa2048.key" "$keys/rsa2048.der")

# both_refuse NAME CAUSE HINT: case/NAME.
both_refuse() {
    echo "$1: $2"
    refused "case/$1" "$2" "$3" ksign sign "${signing[@]}" "case/$1"
    refused "case/$1" "$2" "$3" "${sign_file[@]}" "case/$1"
    refused "case/$1" "$2" "$3" ksign strip "case/$1"
}

mkdir case
both_refuse missing.ko "No such file or directory" ""
ln -s nowhere.ko case/dangling.ko
both_refuse dangling.ko "No such file or directory" ""
ln -s loop.ko case/loop.ko
both_refuse loop.ko "Too many levels of symbolic links" ""
mkfifo case/fifo.ko
both_refuse fifo.ko "is not a regular file" ""
refused /dev/null "is not a regular file" "" ksign sign "${signing[@]}" /dev/null
mkdir case/folder
refused case/folder "there are no modules (.ko, .ko.gz, .ko.xz, .ko.zst) in this folder" "" \
    ksign sign "${signing[@]}" case/folder
refused case/folder "is a folder" "" "${sign_file[@]}" case/folder
: >case/file
both_refuse file/m.ko "Not a directory" ""
refused "''" "is no module's name" "" ksign sign "${signing[@]}" ''
rm -r case

step "hard links"
new_module case/m.ko
ln case/m.ko other-name.ko
refused case/m.ko "has 2 names (hard links)" "cp -a FILE FILE.new && mv FILE.new FILE" ksign sign "${signing[@]}" case/m.ko
refused case/m.ko "has 2 names (hard links)" "cp -a" "${sign_file[@]}" case/m.ko
refused case/m.ko "has 2 names (hard links)" "cp -a" ksign sign --dry-run "${signing[@]}" case/m.ko
cmp other-name.ko "$samples/sample.ko"
# To a destination it can be signed: nothing is replaced.
silently "${sign_file[@]}" case/m.ko dest.ko
expect_signed dest.ko rsa2048 sha512
# What is signed right already is not written.
ln dest.ko dest-too.ko
unchanged ksign sign --dry-run "${signing[@]}" dest.ko
refused dest.ko "has 2 names (hard links)" "cp -a" ksign strip --dry-run dest.ko
rm -r case other-name.ko dest.ko dest-too.ko

step "a destination that can't be"
new_module case/m.ko
mkdir case/folder
refused case/folder "is a folder" "" "${sign_file[@]}" case/m.ko case/folder
mkfifo case/fifo
refused case/fifo "is not a regular file" "" "${sign_file[@]}" case/m.ko case/fifo
refused case/no/dest.ko "No such file or directory" "" "${sign_file[@]}" case/m.ko case/no/dest.ko
rm -r case

step "an interrupted run leaves a file that the next one clears away"
new_module case/m.ko
echo left >case/.m.ko.ksign
expect_exit 0 ksign sign "${signing[@]}" case/m.ko
expect_signed case/m.ko rsa2048 sha512
expect_files case m.ko

step "standard output that can't be written"
new_module m.ko
expect_exit 1 bash -c '"$@" >/dev/full' sh "$bin/ksign" show m.ko
expect_in "$err" "could not be written to standard output"

step "a limit on the size of files: what is larger fails, and nothing else"
mkdir limited
new_module limited/large.ko
new_module limited/small.ko plain other
expect_exit 1 bash -c 'ulimit -f 50 && "$@"' sh "$bin/ksign" sign "${signing[@]}" limited
said limited/large.ko "write: File too large" "ulimit -f"
expect_signed limited/small.ko rsa2048 sha512 "$samples/other.ko"
cmp limited/large.ko "$samples/sample.ko"
expect_files limited large.ko small.ko

step "standard streams that are closed: none of them becomes a module's"
for number in {1..60}; do
    new_module "many/$number.ko"
    ((number % 12 > 0)) || echo text >"many/$number.ko"
done
many=(sign -j 2 --key "$keys/p256.key" --certificate "$keys/p256.der" many)
for closed in '<&- >&-' '<&- >&- 2>&-' '2>&-'; do
    expect_exit 1 bash -c "\"\$@\" $closed" sh "$bin/ksign" "${many[@]}" --force
    [[ $closed == *2* ]] || expect_in "$err" "could not be written to standard output"
    expect_exit 1 ksign "${many[@]}"
    [[ $(grep -c ': already signed (' "$out") == 55 ]] || fail "with $closed: $(grep -v ': already signed (' "$out")"
done
