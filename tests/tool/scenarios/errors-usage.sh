# shellcheck shell=bash disable=SC2154,SC2164 # variables of environment.sh; set -e of run
# Wrong usage: exit 2, a message on standard error that says what is wrong and
# where to read on, and nothing done.
signing=(--key "$keys/rsa2048.key" --certificate "$keys/rsa2048.der")
new_module m.ko

wrong() {
    local text=$1
    shift
    no_change usage_error "$text" "$@"
    [[ $(<"$err") == ksign:* ]] || fail "the message is not ksign's: $(<"$err"): $*"
    expect_in "$err" "--help"
}

step "of ksign"
no_change expect_exit 2 ksign
expect_in "$err" "Usage: ksign COMMAND"
wrong "there is no command 'sing'" ksign sing m.ko
wrong "there is no command 'm.ko'" ksign m.ko
wrong "there is no command '--unknown'" ksign --unknown

step "of each command"
for command in sign show strip post-build sign-tool; do
    wrong "unrecognised option '--unknown'" ksign $command --unknown
    wrong "unrecognised option '-x'" ksign $command -x m.ko
    # What is left out today may be ambiguous tomorrow.
    wrong "unrecognised option" ksign $command --conf x
    wrong "argument" ksign $command --config
    expect_exit 0 ksign $command --help
    expect_in "$out" "Usage: ksign $command"
    expect_in "$out" "Examples:"
done
wrong "" ksign sign "${signing[@]}"
wrong "" ksign sign
wrong "" ksign show
wrong "" ksign strip
wrong "expected KERNELVER FILE" ksign sign-tool
wrong "expected KERNELVER FILE" sign-tool 0.0.0
wrong "expected KERNELVER FILE" sign-tool 0.0.0 m.ko m.ko
wrong "unexpected 'word'" post-build word
wrong "--certificate goes with --key" ksign sign --certificate "$keys/rsa2048.der" m.ko
wrong "--all-modules takes -k RELEASE" ksign sign "${signing[@]}" --all-modules
wrong "--all-modules takes -k RELEASE" ksign sign "${signing[@]}" --all-modules -k 0.0.0 m.ko

step "values"
wrong "unknown hash 'md5'; known are " ksign sign "${signing[@]}" --hash md5 m.ko
expect_in "$err" "sha256, sha384, sha512"
for level in -1 23 100 x 3x; do
    wrong "'$level' is not a compression level" ksign sign "${signing[@]}" --level="$level" m.ko
    wrong "'$level' is not a compression level" ksign strip --level="$level" m.ko
done
for size in 0 x -1 1X 99999999999999999999 20000000T 1Gi5; do
    wrong "'$size' is not a size" ksign sign "${signing[@]}" --max-size="$size" m.ko
    wrong "'$size' is not a size" ksign show --max-size="$size" m.ko
done
for release in . .. a/b /; do
    wrong "'$release': is not a kernel's release" ksign sign "${signing[@]}" --kernel="$release" m.ko
done
wrong "'' is not a compression level" ksign sign "${signing[@]}" --level '' m.ko
wrong "'' is not a size" ksign show --max-size '' m.ko
wrong "'': is not a kernel's release" ksign show -k '' m.ko
wrong "should follow immediately after the equal sign" ksign show --kernel= m.ko
wrong "'../x': is not a kernel's release" ksign show -k ../x m.ko

wrong "--root: 'nowhere' is not a folder" ksign sign "${signing[@]}" --root nowhere m.ko
wrong "--root: 'm.ko' is not a folder" ksign show --root m.ko m.ko

step "of ksign.conf: the file and the line's words are named"
refused missing.conf "No such file or directory" "--config" ksign sign --config missing.conf m.ko
mkdir folder.conf
mkfifo pipe.conf
# Nothing that could be read is not the defaults, and nobody writes to that pipe.
for command in "sign ${signing[*]}" show "dkms status" "keys enroll"; do
    words=m.ko
    [[ $command != dkms* && $command != keys* ]] || words=
    # shellcheck disable=SC2086 # words
    refused folder.conf "read: Is a directory" "--config" timeout 60 "$bin/ksign" $command --config folder.conf $words
    # shellcheck disable=SC2086
    refused pipe.conf "is a named pipe" "--config" timeout 60 "$bin/ksign" $command --config pipe.conf $words
done
refused pipe.conf "is a named pipe" "name a file" timeout 60 "$bin/ksign" config check pipe.conf
refused pipe.conf "is a named pipe" "name a file" timeout 60 "$bin/ksign" keys enroll pipe.conf
# A pipe that a shell makes has its writer.
# shellcheck disable=SC2016 # for the inner shell
expect_exit 1 bash -c '"$1" show --config <(sleep 0.1; echo hash = nonsense) m.ko' sh "$bin/ksign"
said /dev/fd "hash = nonsense: expected a hash" "ksign.conf(5)"
mkdir -p odd/etc
echo "no folder" >odd/etc/ksign
refused odd/etc/ksign/ksign.conf "look for it: Not a directory" "--config /dev/null" ksign show --root odd m.ko
expect_exit 0 ksign show --root odd --config /dev/null m.ko
bad_conf() {
    local text=$1
    shift
    printf '%s\n' "$@" >ksign.conf
    for command in sign show strip; do
        # A person has to be told what may stand there.
        refused ksign.conf "$text" "ksign.conf(5)" ksign $command --config ksign.conf m.ko
    done
}
bad_conf "unknwon" "unknwon = 1"
bad_conf "hash" "hash = sha256" "hash = sha512"
bad_conf "hash = md5: expected a hash such as sha512" "hash = md5"
bad_conf "missing-key = maybe: expected skip or fail" "missing-key = maybe"
bad_conf "max-size = much: expected a size such as 500M or 2G" "max-size = much"
bad_conf "level-gzip = 10: expected 1 to 9" "level-gzip = 10"
bad_conf "level-xz = 10: expected 0 to 9" "level-xz = 10"
bad_conf "level-zstd = 23: expected 1 to 22" "level-zstd = 23"
bad_conf "level-zstd = 3x: expected 1 to 22" "level-zstd = 3x"
bad_conf "level-xz = 10: expected 0 to 9" 'level-xz = "10"'

step "what is right"
printf '%s\n' "# a comment" "" "key = $keys/rsa2048.key" "certificate=$keys/rsa2048.der" "hash =   sha384  " "level-xz = 0" \
    "max-size = 1GiB" "missing-key = fail" >ksign.conf
expect_exit 0 ksign sign --config ksign.conf m.ko
expect_signed m.ko rsa2048 sha384
step "quotes around a value, and comments after one"
new_module m.ko
cp "$keys/rsa2048.key" "with space.key"
printf '%s\n' 'key = "with space.key" # a comment' "certificate = $keys/rsa2048.der#a comment" >ksign.conf
expect_exit 0 ksign sign --config ksign.conf m.ko
expect_signed m.ko rsa2048 sha512

step "an empty value is the default, in quotes or not"
mapfile -t names < <(sed -nE 's/^#?([a-z-]+) =.*/\1/p' "$project/conf/ksign.conf")
((${#names[@]} == 10)) || fail "the settings: ${names[*]}"
for empty in "" '""' ' ""  # none'; do
    printf "%s =$empty\n" "${names[@]}" >ksign.conf
    expect_exit 0 ksign sign --force --config ksign.conf "${signing[@]}" m.ko
    refused "signing key" "none was named" "--key FILE" ksign sign --config ksign.conf m.ko
done
expect_signed m.ko rsa2048 sha512
printf '%s\n' 'level-xz = "6"' 'level-zstd="3"' 'level-gzip = "9"' 'hash = "sha256"' 'max-size = "1G"' 'missing-key = "fail"' \
    'insecure-keys = "no"' >ksign.conf
expect_exit 0 ksign sign --force --config ksign.conf "${signing[@]}" m.ko

step "help and version"
for option in --help -h help; do
    expect_exit 0 ksign $option
    expect_in "$out" "Usage: ksign COMMAND"
    [[ ! -s $err ]]
done
expect_exit 0 ksign --version
[[ $(<"$out") =~ ^ksign\ [0-9]+\.[0-9]+\.[0-9]+$ ]] || fail "--version says: $(<"$out")"
expect_exit 0 sign-file --help
expect_in "$out" "[-dpki] HASH KEY CERTIFICATE MODULE"
