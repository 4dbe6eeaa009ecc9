# shellcheck shell=bash disable=SC2154,SC2164 # variables of environment.sh; set -e of run
# The README's example of libksign: built with what is installed alone, and used.
# shellcheck disable=SC2016 # the fences of README
sed -n '/^```cpp$/,/^```$/{/^```/!p}' "$project/README.md" >example.cpp
pc=$(find "$installed" -name libksign.pc)
[[ -n $pc ]] || fail "no libksign.pc is installed"
read -ra flags < <(PKG_CONFIG_PATH=$(dirname "$pc") PKG_CONFIG_SYSROOT_DIR=$installed pkg-config --cflags --libs libksign)
"${CXX:-c++}" -std=c++20 -Wall -Wextra -Werror example.cpp -o example "${flags[@]}"
export LD_LIBRARY_PATH
LD_LIBRARY_PATH=$(dirname "$(find "$installed" -name libksign.so.0)")

step "signs, and sees that it is signed"
new_module m.ko.xz xz
expect_exit 0 ./example "$keys/p384.key" "$keys/p384.pem" m.ko.xz
[[ $(<"$out") == "m.ko.xz: signed by ksign test key p384" ]] || fail "said: $(<"$out")"
expect_signed m.ko.xz p384 sha512
expect_exit 0 ./example "$keys/p384.key" "$keys/p384.pem" m.ko.xz
expect_in "$out" "already signed"

step "an error, with its remedy"
expect_exit 1 ./example "$keys/p384.key" "$keys/rsa2048.pem" m.ko.xz
[[ $(wc -l <"$err") == 2 ]] || fail "said: $(<"$err")"
