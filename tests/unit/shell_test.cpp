#include <ksign/shell.hpp>

#include "catch.hpp"

using namespace ksign;

TEST_CASE("a word stands in a message as a shell takes it", "[shell]") {
    CHECK(shell_quoted("6.12.1-arch1-1") == "6.12.1-arch1-1");
    CHECK(shell_quoted("/mnt/my image") == "'/mnt/my image'");
    CHECK(shell_quoted("it's") == "'it'\\''s'");
    CHECK(shell_quoted("$(reboot)") == "'$(reboot)'");
    CHECK(shell_quoted("~root") == "'~root'");
    CHECK(shell_quoted("") == "''");
    CHECK(shell_path("-rf") == "./-rf");
    CHECK(shell_path("- f") == "'./- f'");
    CHECK(shell_line({"chroot", "/mnt/my image", "mkinitcpio", "-P"}) == "chroot '/mnt/my image' mkinitcpio -P");
}

TEST_CASE("a command says below which root it is to work", "[shell]") {
    for (const char* here : {"/", "/.", "//", "/mnt/.."}) {
        CHECK(shell_root_option(here).empty());
        CHECK(shell_chroot(here).empty());
    }
    CHECK(shell_root_option("/mnt") == " --root /mnt");
    CHECK(shell_root_option("my image") == " --root 'my image'");
    CHECK(shell_chroot("/mnt") == "chroot /mnt ");
}
