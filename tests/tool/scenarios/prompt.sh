# shellcheck shell=bash disable=SC2154,SC2164 # variables of environment.sh; set -e of run
# On a terminal a person is asked for the passphrase, and sees none of it.
new_module m.ko
on_terminal correct "$bin/ksign" sign --hash sha256 --key "$keys/encrypted.key" --certificate "$keys/rsa2048.der" m.ko ||
    fail "ended with $?: $(<"$shown")"
expect_signed m.ko rsa2048 sha256
expect_in "$shown" "Passphrase or PIN for $keys/encrypted.key: "
expect_not_in "$shown" correct

step "a wrong one is not asked for again"
new_module m.ko
status=0
on_terminal incorrect "$bin/ksign" sign --key "$keys/encrypted.key" --certificate "$keys/rsa2048.der" m.ko || status=$?
((status == 1)) || fail "ended with $status"
cmp m.ko "$samples/sample.ko"
expect_in "$shown" "(a wrong passphrase?)"
[[ $(grep -c 'Passphrase or PIN for' "$shown") == 1 ]] || fail "asked more than once: $(<"$shown")"

step "what DKMS calls never asks, terminal or not"
new_module m.ko
status=0
on_terminal correct "$bin/sign-file" sha256 "$keys/encrypted.key" "$keys/rsa2048.der" m.ko || status=$?
((status == 1)) || fail "ended with $status"
expect_in "$shown" "needs a passphrase, and there is none"
expect_not_in "$shown" "Passphrase or PIN for"

step "what ends or stops it while it asks leaves the terminal with its echo; after a stop it asks again"
cat >ask.py <<'END_OF_PROGRAM'
import fcntl, os, pty, signal, sys, termios, time

# The process that is asked is in a group of its own, with a parent in its session, as a shell's jobs are: without one
# no signal stops it.
def start(words):
    master, terminal = pty.openpty()
    if os.fork() == 0:
        os.setsid()
        fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        job = os.fork()
        if job == 0:
            os.setpgid(0, 0)
            os.tcsetpgrp(terminal, os.getpid())
            signal.signal(signal.SIGTTOU, signal.SIG_DFL)
            for number in range(3):
                os.dup2(terminal, number)
            os.execvp(words[0], words)
        status = None
        while status is None or os.WIFSTOPPED(status):
            status = os.waitpid(job, os.WUNTRACED)[1]
            echo = bool(termios.tcgetattr(terminal)[3] & termios.ECHO)
            with open("told", "a") as told:
                print(("stopped" if os.WIFSTOPPED(status) else "signal %d" % os.WTERMSIG(status) if os.WIFSIGNALED(status)
                       else "exit %d" % os.WEXITSTATUS(status)) + (", echo" if echo else ", no echo"), file=told)
            if os.WIFSTOPPED(status):
                os.kill(job, signal.SIGCONT)
        os._exit(0)
    return master, terminal

# Waits until it asks for the time of that number, and no longer shows what is typed.
def wait_for_question(master, terminal, said, number):
    while said.count(b"Passphrase or PIN") < number:
        said += os.read(master, 1000)
    for _ in range(100):
        if not termios.tcgetattr(terminal)[3] & termios.ECHO:
            return said
        time.sleep(0.1)
    sys.exit("it asks, and shows what is typed")

master, terminal = start(sys.argv[2:])
said = b""
for index, typed in enumerate(sys.argv[1].split(",")):
    said = wait_for_question(master, terminal, said, index + 1)
    os.write(master, typed.encode().decode("unicode_escape").encode())
os.wait()
END_OF_PROGRAM
# told TYPED LINE…: what becomes of it.
told() {
    new_module m.ko
    rm -f told
    timeout 60 /usr/bin/python3 ask.py "$1" "$bin/ksign" sign --hash sha256 --key "$keys/encrypted.key" \
        --certificate "$keys/rsa2048.der" m.ko || fail "$1: ended with $?"
    printf '%s\n' "${@:2}" | cmp - told || fail "$1: $(<told)"
}
told 'correct\n' "exit 0, echo"
expect_signed m.ko rsa2048 sha256
told '\x03' "signal 2, echo"
told '\x1c' "signal 3, echo"
told '\x1a,correct\n' "stopped, echo" "exit 0, echo"
expect_signed m.ko rsa2048 sha256
told '\x1a,\x1a,\x03' "stopped, echo" "stopped, echo" "signal 2, echo"
