#include <ksign/dkms_setup.hpp>
#include <ksign/dkms_survey.hpp>
#include <ksign/kernel.hpp>

#include "catch.hpp"
#include "certs_local.hpp"
#include "elf_sample.hpp"
#include "expect_error.hpp"
#include "kernel_root.hpp"

using namespace ksign;
using namespace ksign::test;

namespace {

/// A system with ksign installed.
struct DkmsRoot : KernelRoot {
    static constexpr const char* own_kernel_sign = "# ksign's\nPOST_BUILD=../usr/libexec/ksign/post-build\n";
    DkmsRoot() {
        file("etc/dkms/kernel-sign.conf", own_kernel_sign);
        file("etc/ksign/dkms-framework.conf", "# ksign's\n");
    }
    [[nodiscard]] DkmsSetup setup() const {
        return {path(), "/etc/dkms/kernel-sign.conf", "/etc/ksign/dkms-framework.conf"};
    }
    [[nodiscard]] std::string text(const std::string& name) const { return text_of(read_file(*this / name)); }
    [[nodiscard]] std::string target(const std::string& name) const {
        return std::filesystem::read_symlink(*this / name).string();
    }
    void package(const std::string& name, const std::string& conf = {}) const {
        file("usr/src/" + name + "-1.0/dkms.conf", conf);
        link("var/lib/dkms/" + name + "/1.0/source", "/usr/src/" + name + "-1.0");
    }
    [[nodiscard]] std::string problems(const std::optional<DkmsVersion>& version = std::nullopt) const {
        const DkmsSurvey survey = survey_dkms(setup(), version, std::nullopt);
        std::string all;
        for (const std::string& problem : survey.problems) {
            all += problem + '\n';
        }
        for (const DkmsPackageSurvey& package : survey.packages) {
            for (const std::string& problem : package.problems) {
                all += problem + '\n';
            }
        }
        return all;
    }
};

} // namespace

TEST_CASE("DKMS's version, as each DKMS prints it", "[dkms_setup]") {
    CHECK(DkmsVersion::of("dkms-3.0.10\n")->numbers == std::array{3, 0, 10});
    CHECK(DkmsVersion::of("dkms: 2.8.4")->text() == "2.8.4");
    CHECK(DkmsVersion::of("dkms-3.4")->numbers == std::array{3, 4, 0});
    CHECK_FALSE(DkmsVersion::of("dkms"));
    CHECK_FALSE(DkmsVersion::of(""));
    CHECK(DkmsVersion::of("3.0.3")->is_before(3, 0, 4));
    CHECK_FALSE(DkmsVersion::of("3.0.10")->is_before(3, 0, 4));
}

TEST_CASE("a package is linked, and the link taken away", "[dkms_setup]") {
    const DkmsRoot root;
    const DkmsSetup setup = root.setup();
    CHECK(setup.enable("nvidia", false) == DkmsChange::linked);
    CHECK(root.target("etc/dkms/nvidia.conf") == "kernel-sign.conf");
    CHECK(setup.enable("nvidia", false) == DkmsChange::none);
    CHECK(setup.enabled_packages() == std::vector<std::string>{"nvidia"});
    CHECK(setup.disable("nvidia") == DkmsChange::unlinked);
    CHECK(setup.disable("nvidia") == DkmsChange::none);
    CHECK(setup.enabled_packages().empty());
    for (const char* name : {"", ".", "../x", "a b", "a/b"}) {
        CHECK(error_of([&] { static_cast<void>(setup.enable(name, false)); }).code() == ErrorCode::usage);
    }
}

TEST_CASE("what is no package's file is never enabled as one", "[dkms_setup]") {
    const DkmsRoot root;
    const DkmsSetup setup = root.setup();
    for (const bool append : {false, true}) {
        CHECK(mentions(error_of([&] { static_cast<void>(setup.enable("framework", append)); }).what(),
                       "is no DKMS package"));
        CHECK(mentions(error_of([&] { static_cast<void>(setup.enable("kernel-sign", append)); }).what(),
                       "is ksign's own file"));
    }
    CHECK_FALSE(std::filesystem::is_symlink(root / "etc/dkms/framework.conf"));
    CHECK(root.text("etc/dkms/kernel-sign.conf") == DkmsRoot::own_kernel_sign);
}

TEST_CASE("a file of the user's is left, or gets one line that goes again", "[dkms_setup]") {
    const DkmsRoot root;
    const DkmsSetup setup = root.setup();
    for (const std::string& mine : {std::string("POST_BUILD=x"), std::string("POST_BUILD=x\n"), std::string()}) {
        root.file("etc/dkms/zfs.conf", mine);
        CHECK(mentions(error_of([&] { static_cast<void>(setup.enable("zfs", false)); }).what(), "is your own"));
        CHECK(root.text("etc/dkms/zfs.conf") == mine);
        CHECK(setup.enable("zfs", true) == DkmsChange::appended);
        CHECK(mentions(root.text("etc/dkms/zfs.conf"), "\n. /etc/dkms/kernel-sign.conf\n"));
        CHECK(setup.enable("zfs", true) == DkmsChange::none);
        CHECK(setup.disable("zfs") == DkmsChange::taken_out);
        // What was no line before has become one.
        CHECK(root.text("etc/dkms/zfs.conf") == (mine.empty() || mine.back() == '\n' ? mine : mine + '\n'));
    }
}

TEST_CASE("a line that the user wrote, and links to elsewhere, stay", "[dkms_setup]") {
    const DkmsRoot root;
    const DkmsSetup setup = root.setup();
    root.file("etc/dkms/zfs.conf", "A=1\n. /etc/dkms/kernel-sign.conf\n");
    CHECK(setup.enable("zfs", true) == DkmsChange::none);
    CHECK(mentions(error_of([&] { static_cast<void>(setup.disable("zfs")); }).what(), "a line of your own"));
    root.link("etc/dkms/evdi.conf", "/opt/other.conf");
    for (const bool append : {false, true}) {
        CHECK(mentions(error_of([&] { static_cast<void>(setup.enable("evdi", append)); }).what(),
                       "is a link to /opt/other.conf"));
    }
    CHECK(setup.disable("evdi") == DkmsChange::none);
    CHECK(root.target("etc/dkms/evdi.conf") == "/opt/other.conf");
}

TEST_CASE("a line that sources ksign's file is known however it is written", "[dkms_setup]") {
    const DkmsRoot root;
    const DkmsSetup setup = root.setup();
    const std::string file = "/etc/dkms/kernel-sign.conf";
    for (const std::string& line : {". " + file, "source " + file + '\n', "A=1\n\t.  \"" + file + "\"  # ksign\n",
                                    "source '" + file + "'; B=2\n"}) {
        INFO(line);
        root.file("etc/dkms/zfs.conf", line);
        CHECK(setup.hold(root / "etc/dkms/zfs.conf") == DkmsHold::line);
        CHECK(setup.enable("zfs", true) == DkmsChange::none);
        CHECK(root.text("etc/dkms/zfs.conf") == line);
        CHECK(mentions(error_of([&] { static_cast<void>(setup.disable("zfs")); }).what(), "a line of your own"));
    }
    for (const std::string& line :
         {"# . " + file + '\n', "echo . " + file, ". " + file + ".old\n", "sources " + file}) {
        INFO(line);
        root.file("etc/dkms/zfs.conf", line);
        CHECK(setup.hold(root / "etc/dkms/zfs.conf") == DkmsHold::none);
    }
}

TEST_CASE("the line that was added goes, whatever the user has written beside it", "[dkms_setup]") {
    const DkmsRoot root;
    const DkmsSetup setup = root.setup();
    const std::string own = ". /etc/dkms/kernel-sign.conf\n";
    root.file("etc/dkms/zfs.conf", "A=1\n");
    CHECK(setup.enable("zfs", true) == DkmsChange::appended);
    const std::string added = root.text("etc/dkms/zfs.conf").substr(4);
    // An editor that ends no file with a newline.
    root.file("etc/dkms/zfs.conf", "A=1\n" + added.substr(0, added.size() - 1));
    CHECK(setup.disable("zfs") == DkmsChange::taken_out);
    CHECK(root.text("etc/dkms/zfs.conf") == "A=1\n");
    for (const std::string& mine : {own + added, added + own}) {
        root.file("etc/dkms/zfs.conf", mine);
        CHECK(mentions(error_of([&] { static_cast<void>(setup.disable("zfs")); }).what(), "a line of your own"));
        CHECK(root.text("etc/dkms/zfs.conf") == own);
    }
}

TEST_CASE("a package's source is known before DKMS knows the package", "[dkms_setup]") {
    const DkmsRoot root;
    CHECK_FALSE(has_dkms_source(root.path(), "zfs"));
    root.file("usr/src/zfs-2.2.1/dkms.conf", "");
    std::filesystem::create_directories(root / "usr/src/evdi-1.0");
    CHECK(has_dkms_source(root.path(), "zfs"));
    CHECK_FALSE(has_dkms_source(root.path(), "zf"));
    CHECK_FALSE(has_dkms_source(root.path(), "evdi"));
    // By the name that it gives itself, and where that is not written out, by its folder's.
    for (const char* conf :
         {"", "PACKAGE_NAME=\"nvidia-current\"\n", "PACKAGE_NAME=@NAME@\n", "PACKAGE_NAME=$name\n"}) {
        INFO(conf);
        root.file("usr/src/nvidia-current-535.216.03/dkms.conf", conf);
        CHECK_FALSE(has_dkms_source(root.path(), "nvidia"));
        CHECK(has_dkms_source(root.path(), "nvidia-current"));
    }
    root.file("usr/src/nvidia-current-535.216.03/dkms.conf", "PACKAGE_NAME='nvidia'\n");
    CHECK(has_dkms_source(root.path(), "nvidia"));
    root.file("usr/src/rtl-v5.2/dkms.conf", "PACKAGE_NAME=rtl\n");
    CHECK(has_dkms_source(root.path(), "rtl"));
}

TEST_CASE("DKMS's tree is where a link or a setting has it, below the root", "[dkms_setup]") {
    const DkmsRoot root;
    CHECK(find_dkms_tree(root.path()) == root / "var/lib/dkms");
    root.folder("srv/dkms/zfs/1.0/source");
    root.link("var/lib/dkms", "/srv/dkms");
    CHECK(find_dkms_tree(root.path()) == root / "srv/dkms");
    REQUIRE(find_dkms_packages(root.path()).size() == 1);
    CHECK(find_dkms_packages(root.path())[0].folder == root / "srv/dkms/zfs/1.0");

    root.file("etc/dkms/framework.conf", "# dkms_tree=/not\ndkms_tree=\"/data/my dkms\" # mine\n");
    CHECK(find_dkms_tree(root.path()) == root / "data/my dkms");
    CHECK(find_dkms_packages(root.path()).empty());
    root.file("etc/dkms/framework.conf.d/z.conf", "dkms_tree=/z;\n");
    root.file("etc/dkms/framework.conf.d/a.conf", "dkms_tree='/a'\n");
    root.file("etc/dkms/framework.conf.d/zz.bak", "dkms_tree=/zz\n");
    CHECK(find_dkms_tree(root.path()) == root / "z");
    for (const char* value : {"", "\"$base/dkms\"", "relative", "`cat x`"}) {
        INFO(value);
        const auto file = root.file("etc/dkms/framework.conf.d/z.conf", std::string("dkms_tree=") + value + "\n");
        const Error error = error_of([&] { static_cast<void>(find_dkms_packages(root.path())); });
        CHECK(error.subject() == file.string());
        CHECK(mentions(error.remedy(), "write its path"));
    }
}

TEST_CASE("without ksign's own file nothing is linked", "[dkms_setup]") {
    const DkmsRoot root;
    std::filesystem::remove(root / "etc/dkms/kernel-sign.conf");
    CHECK(mentions(error_of([&] { static_cast<void>(root.setup().enable("zfs", false)); }).what(), "is not there"));
    CHECK_FALSE(std::filesystem::is_symlink(root / "etc/dkms/zfs.conf"));
}

TEST_CASE("Arch-SKM's file of the same name is not taken for ksign's", "[dkms_setup]") {
    const DkmsRoot root;
    const DkmsSetup setup = root.setup();
    root.package("zfs");
    CHECK(setup.enable("zfs", false) == DkmsChange::linked);
    root.file("etc/dkms/kernel-sign.conf",
              "# not /usr/libexec/ksign/post-build\nPOST_BUILD=../etc/dkms/kernel-sign.sh\n");
    const Error error = error_of([&] { static_cast<void>(setup.enable("nvidia", true)); });
    CHECK(error.code() == ErrorCode::system);
    CHECK(mentions(error.what(), "does not call ksign"));
    CHECK(mentions(error.remedy(), "install ksign anew"));
    CHECK_FALSE(std::filesystem::is_symlink(root / "etc/dkms/nvidia.conf"));
    CHECK(mentions(root.problems(), "kernel-sign.conf: does not call ksign"));
    CHECK_FALSE(survey_dkms(setup, std::nullopt, std::nullopt).packages.at(0).post_build);
    // Where the package manager left ksign's.
    const std::filesystem::path own = root.file("etc/dkms/kernel-sign.conf.pacnew", "");
    CHECK(mentions(root.problems(), "mv " + own.string() + ' '));
    // What was linked can be taken away all the same; then it is nobody's matter.
    CHECK(setup.disable("zfs") == DkmsChange::unlinked);
    CHECK_FALSE(mentions(root.problems(), "kernel-sign.conf: does not call ksign"));
}

TEST_CASE("the native way, by a folder or by a line", "[dkms_setup]") {
    const DkmsRoot root;
    const DkmsSetup setup = root.setup();
    CHECK(setup.enable_native(DkmsVersion{{3, 0, 10}}, false) == DkmsChange::linked);
    CHECK(root.target("etc/dkms/framework.conf.d/ksign.conf") == "../../ksign/dkms-framework.conf");
    root.file("etc/dkms/framework.conf", "# mine\n");
    CHECK(error_of([&] {
              static_cast<void>(setup.enable_native(DkmsVersion{{2, 8, 4}}, false));
          }).code() == ErrorCode::usage);
    CHECK(setup.enable_native(DkmsVersion{{2, 8, 4}}, true) == DkmsChange::appended);
    CHECK(setup.disable_native().size() == 2);
    CHECK(root.text("etc/dkms/framework.conf") == "# mine\n");
    CHECK(setup.disable_native().empty());
}

TEST_CASE("a folder for the native way goes if it was made for it, and nothing else is in it", "[dkms_setup]") {
    const DkmsRoot root;
    const DkmsSetup setup = root.setup();
    const std::filesystem::path folder = root / "etc/dkms/framework.conf.d";
    const DkmsVersion version{{3, 0, 10}};
    static_cast<void>(setup.enable_native(version, false));
    CHECK(setup.disable_native().size() == 1);
    CHECK_FALSE(std::filesystem::exists(folder));
    static_cast<void>(setup.enable_native(version, false));
    const std::filesystem::path other = root.file("etc/dkms/framework.conf.d/mine.conf", "");
    CHECK(setup.disable_native().size() == 1);
    CHECK(std::filesystem::exists(other));
    std::filesystem::remove(other);
    CHECK(setup.disable_native().empty());
    CHECK_FALSE(std::filesystem::exists(folder));
    // One that DKMS's package has brought.
    std::filesystem::create_directory(folder);
    static_cast<void>(setup.enable_native(version, false));
    CHECK(setup.disable_native().size() == 1);
    CHECK(std::filesystem::is_empty(folder));
}

TEST_CASE("a framework.conf that is not there is made, and goes again", "[dkms_setup]") {
    const DkmsRoot root;
    const DkmsSetup setup = root.setup();
    const DkmsVersion old{{2, 8, 4}};
    for (const bool append : {false, true}) {
        CHECK(setup.enable_native(old, append) == DkmsChange::created);
        CHECK(mentions(root.text("etc/dkms/framework.conf"), "\n. /etc/ksign/dkms-framework.conf\n"));
        CHECK(setup.enable_native(old, append) == DkmsChange::none);
        CHECK(setup.disable_native().at(0).second == DkmsChange::removed);
        CHECK_FALSE(std::filesystem::exists(root / "etc/dkms/framework.conf"));
    }
    // What the user has added since stays.
    static_cast<void>(setup.enable_native(old, false));
    root.file("etc/dkms/framework.conf", root.text("etc/dkms/framework.conf") + "A=1\n");
    CHECK(setup.disable_native().at(0).second == DkmsChange::taken_out);
    CHECK(mentions(root.text("etc/dkms/framework.conf"), "\nA=1\n"));
}

TEST_CASE("what is made for DKMS others may read, whatever the umask", "[dkms_setup]") {
    const DkmsRoot root;
    const DkmsSetup setup = root.setup();
    std::filesystem::remove_all(root / "etc/dkms");
    const Umask umask(GENERATE(mode_t{0}, mode_t{022}, mode_t{077}));
    static_cast<void>(setup.enable_native(DkmsVersion{{3, 0, 10}}, false));
    static_cast<void>(setup.enable_native(DkmsVersion{{2, 8, 4}}, false));
    CHECK(mode_of(root / "etc/dkms") == 0755);
    CHECK(mode_of(root / "etc/dkms/framework.conf.d") == 0755);
    CHECK(mode_of(root / "etc/dkms/framework.conf.d/.made-by-ksign") == 0644);
    CHECK(mode_of(root / "etc/dkms/framework.conf") == 0644);
}

TEST_CASE("what of DKMS's configuration is without effect, or leads nowhere", "[dkms_survey]") {
    const DkmsRoot root;
    const DkmsSetup setup = root.setup();
    CHECK(root.problems().empty());
    root.package("zfs", "POST_BUILD=\"own.sh -x\"\n");
    CHECK(mentions(root.problems(),
                   "does not call ksign for it: ksign dkms enable --root " + root.path().string() + " zfs"));
    static_cast<void>(setup.enable("zfs", false));
    CHECK(root.problems().empty());
    root.file("etc/dkms/zfs-1.0.conf", "POST_BUILD=other\n");
    CHECK(mentions(root.problems(), "zfs-1.0.conf sets POST_BUILD after ksign"));
    root.file("etc/dkms/zfs-1.0.conf", "POST_BUILD=other\n. /etc/dkms/kernel-sign.conf\n");
    CHECK(root.problems().empty());
    static_cast<void>(setup.enable("gone", false));
    CHECK(mentions(root.problems(), "gone.conf is for a package that DKMS does not know"));
    static_cast<void>(setup.disable("gone"));

    static_cast<void>(setup.enable_native(std::nullopt, false));
    CHECK(mentions(root.problems(DkmsVersion{{2, 8, 4}}), "ksign.conf is without effect: DKMS 2.8.4"));
    root.file("etc/dkms/framework.conf", " sign_tool='/x'\nmok_certificate=/mine\n#sign_file=/y\n");
    CHECK(mentions(root.problems(), "framework.conf sets sign_tool, which DKMS reads no more since 3.0.4"));
    CHECK(mentions(root.problems(), "sets mok_certificate=/mine, without effect"));
    CHECK_FALSE(mentions(root.problems(), "sign_file=/y"));
    root.file("etc/dkms/framework.conf", "");
    root.file("etc/dkms/framework.conf.d/zz.conf", "sign_file=/z\n");
    CHECK(mentions(root.problems(), "zz.conf sets sign_file=/z, over what ksign's"));
    std::filesystem::remove(root / "etc/dkms/framework.conf.d/zz.conf");

    std::filesystem::remove(root / "etc/dkms/kernel-sign.conf");
    std::filesystem::remove(root / "etc/ksign/dkms-framework.conf");
    CHECK(mentions(root.problems(), "zfs.conf leads to nothing"));
    CHECK(mentions(root.problems(), "framework.conf.d/ksign.conf leads to nothing"));
}

TEST_CASE("what follows the line that sources ksign's may take it away", "[dkms_survey]") {
    const DkmsRoot root;
    root.package("zfs");
    const std::string line = ". /etc/dkms/kernel-sign.conf\n";
    const auto post_build = [&root] {
        return survey_dkms(root.setup(), std::nullopt, std::nullopt).packages.at(0).post_build;
    };
    root.file("etc/dkms/zfs.conf", "POST_BUILD=mine.sh\n" + line + "MAKE=make\nPOST_BUILD=\"$POST_BUILD -x\"\n");
    CHECK(post_build());
    CHECK(root.problems().empty());
    root.file("etc/dkms/zfs.conf", line + "  POST_BUILD='mine.sh'\n");
    CHECK_FALSE(post_build());
    CHECK(mentions(root.problems(), "zfs.conf sets POST_BUILD=mine.sh after the line that sources ksign's"));
    CHECK_FALSE(mentions(root.problems(), "does not call ksign for it"));
    root.file("etc/dkms/zfs.conf", line + "POST_BUILD=mine.sh\n" + line);
    CHECK(root.problems().empty());
    root.file("etc/dkms/zfs-1.0.conf", line + "POST_BUILD=mine.sh\n");
    CHECK(mentions(root.problems(), "zfs-1.0.conf sets POST_BUILD=mine.sh after the line"));
}

TEST_CASE("what follows ksign's settings may put another program in place of sign-file", "[dkms_survey]") {
    const DkmsRoot root;
    const std::string line = ". /etc/ksign/dkms-framework.conf\n";
    const DkmsVersion version{{3, 0, 10}};
    const DkmsVersion old{{2, 8, 4}};
    const auto native = [&root](const DkmsVersion& which) {
        return survey_dkms(root.setup(), which, std::nullopt).native;
    };
    root.file("etc/dkms/framework.conf", "sign_file=/x\n" + line);
    CHECK(native(version));
    CHECK(root.problems(version).empty());
    root.file("etc/dkms/framework.conf", line + "mok_signing_key=/mine.key\n");
    CHECK(native(version));
    CHECK(mentions(root.problems(version), "sets mok_signing_key=/mine.key after the line that sources ksign's"));
    root.file("etc/dkms/framework.conf", line + "sign_file=/x\nmok_certificate=/mine\n");
    CHECK_FALSE(native(version));
    CHECK(mentions(root.problems(version), "framework.conf sets sign_file=/x after the line"));
    CHECK(mentions(root.problems(version), "sets mok_certificate=/mine after the line"));
    // DKMS before 3.0.4 reads sign_tool alone, and no folder.
    CHECK(native(old));
    root.file("etc/dkms/framework.conf", line + "sign_tool=/x\n");
    CHECK_FALSE(native(old));
    CHECK(mentions(root.problems(old), "framework.conf sets sign_tool=/x after the line"));

    root.file("etc/dkms/framework.conf", line);
    root.file("etc/dkms/framework.conf.d/a.conf", "sign_file=/a\n");
    CHECK(native(old));
    CHECK_FALSE(native(version));
    CHECK(mentions(root.problems(version), "a.conf sets sign_file=/a, over what ksign's line in framework.conf sets"));
    static_cast<void>(root.setup().enable_native(version, false));
    CHECK(native(version));
    CHECK(mentions(root.problems(version), "a.conf sets sign_file=/a, without effect"));
    root.file("etc/dkms/framework.conf.d/zz.conf", "sign_file=/z\n");
    CHECK_FALSE(native(version));
}

TEST_CASE("an override that DKMS 3.4 prefers is told", "[dkms_survey]") {
    const DkmsRoot root;
    root.package("zfs", "POST_BUILD=\"own.sh -x\"\n");
    static_cast<void>(root.setup().enable("zfs", false));
    std::filesystem::permissions(root.file("etc/dkms/zfs/own.sh", "#!/bin/sh\n"), std::filesystem::perms(0755));
    const auto notes = [&](const DkmsVersion& version) {
        return survey_dkms(root.setup(), version, std::nullopt).notes.size();
    };
    CHECK(notes({{3, 4, 0}}) == 1);
    CHECK(notes({{3, 3, 0}}) == 0);
}

TEST_CASE("unsigned modules, and kernels without a key, are counted", "[dkms_survey]") {
    const DkmsRoot root;
    root.package("zfs");
    static_cast<void>(root.setup().enable("zfs", false));
    root.file("var/lib/dkms/zfs/1.0/6.12.1/x86_64/module/zfs.ko", text_of(make_module()));
    root.file("var/lib/dkms/zfs/1.0/6.12.1/x86_64/module/spl.ko", "no module");
    root.link("var/lib/dkms/zfs/kernel-6.12.1-x86_64", "1.0/6.12.1/x86_64");
    for (const char* name : {"spl.ko", "zfs.ko"}) {
        root.file(std::string("lib/modules/6.12.1/kernel/") + name, text_of(make_module()));
    }
    const DkmsSurvey survey = survey_dkms(root.setup(), std::nullopt, std::nullopt);
    REQUIRE(survey.packages.size() == 1);
    REQUIRE(survey.packages[0].builds.size() == 1);
    const DkmsBuild& build = survey.packages[0].builds[0];
    CHECK(build.release == "6.12.1");
    CHECK(build.architecture == "x86_64");
    CHECK(build.modules == 2);
    CHECK(build.unsigned_modules == 1);
    REQUIRE(build.problems.size() == 2);
    CHECK(mentions(build.problems[0], "no key for this kernel"));
    CHECK(mentions(build.problems[1], "spl.ko"));
    CHECK(build.installed);
}

TEST_CASE("what is installed is looked at beside what is built", "[dkms_survey]") {
    const DkmsRoot root;
    root.package("zfs");
    root.file("var/lib/dkms/zfs/1.0/6.12.1/x86_64/module/zfs.ko", text_of(make_module()));
    const auto build_of = [&root] {
        return survey_dkms(root.setup(), std::nullopt, std::nullopt).packages.at(0).builds.at(0);
    };
    root.link("var/lib/dkms/zfs/kernel-6.12.1-x86_64", "2.0/6.12.1/x86_64");
    CHECK_FALSE(build_of().installed);
    std::filesystem::remove(root / "var/lib/dkms/zfs/kernel-6.12.1-x86_64");
    root.link("var/lib/dkms/zfs/kernel-6.12.1-x86_64", "1.0/6.12.1/x86_64");

    CHECK(build_of().installed);
    root.folder("lib/modules/6.12.1/kernel");
    REQUIRE(build_of().problems.size() == 2);
    CHECK(mentions(build_of().problems[1], "no module of that name is installed"));
    root.file("lib/modules/6.12.1/updates/dkms/zfs.ko", text_of(make_module()));
    CHECK(build_of().installed_unsigned_modules == 1);
    CHECK(build_of().problems.size() == 1);
}

TEST_CASE("what was built for a kernel that is gone is no problem", "[dkms_survey]") {
    const DkmsRoot root;
    root.package("zfs");
    root.file("var/lib/dkms/zfs/1.0/6.12.1/x86_64/module/zfs.ko", text_of(make_module()));
    root.file("var/lib/dkms/zfs/1.0/6.12.1/x86_64/module/spl.ko", "no module");
    root.link("var/lib/dkms/zfs/kernel-6.12.1-x86_64", "1.0/6.12.1/x86_64");
    const auto build_of = [&root] {
        return survey_dkms(root.setup(), std::nullopt, std::nullopt).packages.at(0).builds.at(0);
    };
    CHECK(build_of().gone);
    // What DKMS and depmod leave.
    root.file("lib/modules/6.12.1/modules.dep", "");
    root.file("lib/modules/6.12.1/updates/dkms/zfs.ko", text_of(make_module()));
    const DkmsBuild build = build_of();
    CHECK(build.gone);
    CHECK(build.problems.empty());
    CHECK(build.modules == 2);
    CHECK(build.installed);
    CHECK(build.installed_unsigned_modules == 0);
    root.folder("usr/src/kernels/6.12.1");
    CHECK_FALSE(build_of().gone);
    std::filesystem::remove_all(root / "usr/src/kernels");
    root.link("lib/modules/6.12.1/build", "/nowhere");
    CHECK_FALSE(build_of().gone);
}
