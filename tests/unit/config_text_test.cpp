#include "config_text.hpp"

#include "catch.hpp"

#include <string>

using namespace ksign;

TEST_CASE("values are read from a configuration's text", "[config_text]") {
    const ConfigText text("# A comment\nCONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=\"some text\"\nCONFIG_D=\"\"\n"
                          "CONFIG_E=0x40\n\nCONFIG_LAST=m");
    CHECK(text.value("A") == "y");
    CHECK_FALSE(text.value("B"));
    CHECK(text.value("C") == "some text");
    CHECK(text.value("D") == "");
    CHECK(text.value("E") == "0x40");
    CHECK(text.value("LAST") == "m");
    CHECK_FALSE(text.value("MISSING"));
    CHECK_FALSE(ConfigText("").value("A"));
}

TEST_CASE("an option is set where it stands, and no other byte changes", "[config_text]") {
    ConfigText text("# Head\nCONFIG_A=y\nCONFIG_B=64\n\nCONFIG_C=m\n");
    CHECK(text.set("B", "65"));
    CHECK(text.text() == "# Head\nCONFIG_A=y\nCONFIG_B=65\n\nCONFIG_C=m\n");
    CHECK_FALSE(text.set("B", "65"));
    CHECK(text.text() == "# Head\nCONFIG_A=y\nCONFIG_B=65\n\nCONFIG_C=m\n");
}

TEST_CASE("an option that is not set is set in its place", "[config_text]") {
    ConfigText text("CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=m\n");
    CHECK(text.set("B", "y"));
    CHECK(text.text() == "CONFIG_A=y\nCONFIG_B=y\nCONFIG_C=m\n");
}

TEST_CASE("an option that is not there is appended", "[config_text]") {
    ConfigText text("CONFIG_A=y\n");
    CHECK(text.set("B", "y"));
    CHECK(text.text() == "CONFIG_A=y\nCONFIG_B=y\n");
    ConfigText without_line_end("CONFIG_A=y");
    CHECK(without_line_end.set("B", "y"));
    CHECK(without_line_end.text() == "CONFIG_A=y\nCONFIG_B=y\n");
    ConfigText empty("");
    CHECK(empty.set_string("B", "text"));
    CHECK(empty.text() == "CONFIG_B=\"text\"\n");
}

TEST_CASE("a last line without its end is replaced, and gets none", "[config_text]") {
    ConfigText text("CONFIG_A=y\nCONFIG_B=y");
    CHECK(text.set("B", "m"));
    CHECK(text.text() == "CONFIG_A=y\nCONFIG_B=m");
    CHECK(text.unset("B"));
    CHECK(text.text() == "CONFIG_A=y\n# CONFIG_B is not set");
}

TEST_CASE("an option is unset as Kconfig writes it", "[config_text]") {
    ConfigText text("CONFIG_A=y\nCONFIG_B=\"text\"\n");
    CHECK(text.unset("B"));
    CHECK(text.text() == "CONFIG_A=y\n# CONFIG_B is not set\n");
    CHECK_FALSE(text.value("B"));
    CHECK_FALSE(text.unset("B"));
    CHECK_FALSE(text.unset("MISSING"));
    CHECK(text.text() == "CONFIG_A=y\n# CONFIG_B is not set\n");
}

TEST_CASE("of an option that is there twice the last line counts, and changes", "[config_text]") {
    ConfigText text("CONFIG_A=y\nCONFIG_A=m\nCONFIG_B=y\n");
    CHECK(text.value("A") == "m");
    CHECK(text.set("A", "n"));
    CHECK(text.text() == "CONFIG_A=y\nCONFIG_A=n\nCONFIG_B=y\n");
    ConfigText unset_last("CONFIG_A=y\n# CONFIG_A is not set\n");
    CHECK_FALSE(unset_last.value("A"));
    CHECK_FALSE(unset_last.unset("A"));
    CHECK(unset_last.set("A", "m"));
    CHECK(unset_last.value("A") == "m");
    ConfigText set_last("# CONFIG_A is not set\nCONFIG_A=y\n");
    CHECK(set_last.value("A") == "y");
    CHECK(set_last.unset("A"));
    CHECK_FALSE(set_last.value("A"));
}

TEST_CASE("options that begin with another's name are not confused with it", "[config_text]") {
    const std::string before = "CONFIG_X_Y=y\n# CONFIG_X_Z is not set\nCONFIG_XX=\"CONFIG_X=y\"\nCONFIG_A_X=y\n";
    ConfigText text(before);
    CHECK_FALSE(text.value("X"));
    CHECK_FALSE(text.value("X_Z"));
    CHECK(text.value("XX") == "CONFIG_X=y");
    CHECK_FALSE(text.unset("X"));
    CHECK(text.set("X", "m"));
    CHECK(text.text() == before + "CONFIG_X=m\n");
    CHECK(text.value("X_Y") == "y");
    CHECK(text.set("X_Y", "m"));
    CHECK(text.value("X") == "m");
}

TEST_CASE("what only looks like an option's line is left alone", "[config_text]") {
    const std::string before = "#CONFIG_A=y\n# CONFIG_A=y\n CONFIG_A=y\nCONFIG_A\n# CONFIG_A is not set here\n"
                               "# CONFIG_A is not se\nOTHER_CONFIG_A=y\nCONFIG_A =y\nCONFIG_\n#\n# \n";
    ConfigText text(before);
    CHECK_FALSE(text.value("A"));
    CHECK_FALSE(text.unset("A"));
    CHECK(text.set("A", "y"));
    CHECK(text.text() == before + "CONFIG_A=y\n");
}

TEST_CASE("strings are quoted as Kconfig does it, and read back", "[config_text]") {
    ConfigText text("CONFIG_A=\"\"\n");
    CHECK(text.set_string("A", "say \"x\\y\""));
    CHECK(text.text() == "CONFIG_A=\"say \\\"x\\\\y\\\"\"\n");
    CHECK(text.value("A") == "say \"x\\y\"");
    CHECK_FALSE(text.set_string("A", "say \"x\\y\""));
    CHECK(text.set_string("A", ""));
    CHECK(text.text() == "CONFIG_A=\"\"\n");
    CHECK(text.set_string("A", "a = b"));
    CHECK(text.value("A") == "a = b");
}

TEST_CASE("an odd quoting is read without harm", "[config_text]") {
    CHECK(ConfigText("CONFIG_A=\"\n").value("A") == "\"");
    CHECK(ConfigText("CONFIG_A=\"open\n").value("A") == "\"open");
    CHECK(ConfigText("CONFIG_A=\"end\\\"\n").value("A") == "end\\");
    CHECK(ConfigText("CONFIG_A=\n").value("A") == "");
}
