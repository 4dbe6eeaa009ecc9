# shellcheck shell=bash disable=SC2154,SC2164 # variables of environment.sh; set -e of run
# Keys and PINs: in no output, no argument, no file, no core dump, and not for a
# debugger of the same user.
make_token
pin=Xq7-pass-phrase-9Z
openssl pkey -in "$keys/p384.key" -aes256 -passout "pass:$pin" -out key.pem
chmod 600 key.pem
key_text=$(sed -n 3p "$keys/p384.key")
encrypted_text=$(sed -n 3p key.pem)
signing=(ksign sign --json --key "$PWD/key.pem" --certificate "$keys/p384.der" --pin-file "$PWD/pin")

# nothing_secret FILE…
nothing_secret() {
    local file text
    for file in "$@"; do
        for text in "$pin" 123456 "$key_text" "$encrypted_text" "PRIVATE KEY"; do
            ! grep -qaF -e "$text" "$file" || fail "$file holds a secret: $(tr '\0' ' ' <"$file")"
        done
    done
}

step "in no output: success and failure, lines and JSON"
(umask 077 && echo "$pin" >pin)
new_module m.ko
expect_exit 0 "${signing[@]}" m.ko
nothing_secret "$out" "$err" m.ko
expect_exit 1 "${signing[@]}" missing.ko
nothing_secret "$out" "$err"
echo "wrong" >pin
expect_exit 1 "${signing[@]}" m.ko
nothing_secret "$out" "$err"
head -n 4 "$keys/p384.key" >cut.pem
chmod 600 cut.pem
expect_exit 1 ksign sign --json --key cut.pem --certificate "$keys/p384.der" m.ko
nothing_secret "$out" "$err"
for key in "$(uri rsa2048)?pin-value=123456" "$(uri nothing)?pin-value=123456" "pkcs11:token=nothing;pin-value=123456"; do
    "$bin/ksign" sign --json --force --key "$key" --certificate "$keys/rsa2048.der" m.ko >"$scratch/out" 2>"$scratch/err" || true
    nothing_secret "$scratch/out" "$scratch/err"
done

step "in no message that repeats an argument, an option that is mistyped among them"
for words in "sign --kee=pkcs11:token=x?pin-value=123456" "sign --kee=pkcs11:token=x;pin-value=123456&module-name=y m.ko" \
    "keys generate pkcs11:x?pin-value=123456" "post-build pkcs11:x?pin-value=123456" "sign --hash pin-value=123456 m.ko" \
    "show pkcs11:x?pin-value=123456" "show --json pkcs11:x?pin-value=123456" "verify --trust pkcs11:x?pin-value=123456 m.ko" \
    "pkcs11:x?pin-value=123456"; do
    # shellcheck disable=SC2086 # words
    "$bin/ksign" $words >"$scratch/out" 2>"$scratch/err" && fail "took $words"
    ! grep -qF 123456 "$scratch/err" || fail "$words: $(<"$scratch/err")"
    expect_in "$scratch/err" "pin-value=xxx"
done

step "while it runs: waiting for a PIN, with the key's file read and another PIN in its arguments"
mkfifo fifo
folder=$scratch
while [[ $folder == */*/* ]]; do
    chmod o+x "$folder"
    folder=$(dirname "$folder")
done
as_user=()
if ((EUID == 0)); then
    # Root may read all; who is to be kept out is the user's other programs.
    as_user=(setpriv --reuid 65534 --regid 65534 --clear-groups)
    cp "$keys/p384.der" .
    chown -R 65534:65534 .
fi
"${as_user[@]}" "$bin/ksign" --version || skip "the build folder can't be reached by other users"
ulimit -c unlimited
"${as_user[@]}" "$bin/ksign" sign --key key.pem --certificate p384.der --pin-file fifo \
    "pkcs11:x;pin-value=123456" "pkcs11:y?a=b&pin-value=123456&c=d" m.ko >said 2>&1 &
process=$!
opened() { [[ -n $(find "/proc/$process/fd" -lname "*/fifo" 2>/dev/null) || $(<"/proc/$process/wchan") == *fifo* ]]; }
for ((tenths = 0; tenths < 100; tenths++)); do
    ! opened || break
    sleep 0.1
done
[[ $(<"/proc/$process/comm") == ksign ]] || fail "it does not wait: $(<said)"
nothing_secret "/proc/$process/cmdline"
tr '\0' '\n' <"/proc/$process/cmdline" | grep -qxF "pkcs11:y?a=b&pin-value=xxxxxx&c=d" ||
    fail "its arguments: $(tr '\0' ' ' <"/proc/$process/cmdline")"
# What is not dumpable belongs to root, so that its user can't attach to it (proc(5), PR_SET_DUMPABLE).
[[ $(stat -c %u "/proc/$process/mem") == 0 ]] || fail "/proc/$process/mem is its user's"
for file in mem environ maps; do
    ! "${as_user[@]}" head -c 1 "/proc/$process/$file" >/dev/null 2>&1 || fail "its user can read $file"
done
if command -v gcore >/dev/null; then
    "${as_user[@]}" gcore -o dump "$process" >debugger.log 2>&1 || true
    ! compgen -G 'dump*' >/dev/null || fail "gcore made a dump: $(<debugger.log)"
fi

step "no core dump when it ends by a signal"
kill -ABRT "$process"
status=0
wait "$process" 2>/dev/null || status=$?
((status == 134)) || fail "ended with $status: $(<said)"
[[ -z $(find "$scratch" -name '*core*') ]] || fail "a core dump: $(find "$scratch" -name '*core*')"
# By what the kernel says of it as well: core_pattern may put dumps elsewhere.
cat >abort.py <<'END_OF_PROGRAM'
import os, signal, sys, time
child = os.spawnvp(os.P_NOWAIT, sys.argv[2], sys.argv[2:])
time.sleep(float(sys.argv[1]))
os.kill(child, signal.SIGABRT)
status = os.waitpid(child, 0)[1]
print(os.WIFSIGNALED(status), os.WCOREDUMP(status))
END_OF_PROGRAM
found=$("${as_user[@]}" /usr/bin/python3 abort.py 3 "$bin/ksign" sign --key key.pem --certificate p384.der --pin-file fifo m.ko)
[[ $found == "True False" ]] || fail "killed, dumped: $found"
