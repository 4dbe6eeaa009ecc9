#include <ksign/kernel.hpp>

#include "catch.hpp"
#include "expect_error.hpp"
#include "kernel_root.hpp"

#include <sys/utsname.h>

using namespace ksign;
using namespace ksign::test;

namespace {

const std::string release = "6.12.1-test";

Kernel kernel_in(const KernelRoot& root, const std::string& name = release) {
    return Kernel(KernelRelease(name), root.path());
}

} // namespace

TEST_CASE("what can't name a folder is no kernel's release", "[kernel]") {
    for (const std::string text : {"", ".", "..", "/", "a/b", "../6.1", "/lib/modules/6.1", "6.1/"}) {
        INFO("'" << text << "'");
        CHECK(error_of([&] { KernelRelease refused(text); }).code() == ErrorCode::usage);
    }
    CHECK(KernelRelease("6.1.0-56-amd64").text() == "6.1.0-56-amd64");
    CHECK(KernelRelease("...").text() == "...");
}

TEST_CASE("the running kernel's release is uname's", "[kernel]") {
    struct utsname name {};
    ::uname(&name);
    CHECK(KernelRelease::running().text() == std::string(name.release));
}

TEST_CASE("modules are told by their files' names", "[kernel]") {
    for (const char* name : {"a.ko", "a.ko.gz", "a.ko.xz", "a.ko.zst", "/lib/modules/6.1/x/a-b.ko", "a.b.ko"}) {
        CHECK(has_module_name(name));
    }
    for (const char* name :
         {".ko", "ko", "a.o", "a.ko.bz2", "a.ko.p7s", "a.ko.", "a", "", "a.ko/", ".a.ko.ksign", ".ko.xz"}) {
        INFO(name);
        CHECK_FALSE(has_module_name(name));
    }
    CHECK(module_name("/x/snd-hda-intel.ko.xz") == "snd_hda_intel");
    CHECK(module_name("snd_hda-intel") == "snd_hda_intel");
    CHECK(module_name("a.b.ko") == "a.b");
}

TEST_CASE("the modules of a folder are found, sorted, links to folders not followed", "[kernel]") {
    const KernelRoot root;
    root.file("m/b.ko");
    root.file("m/a.ko.xz");
    root.file("m/deep/er/c.ko.zst");
    root.file("m/not-one.txt");
    root.file("m/.b.ko.ksign");
    root.folder("m/folder.ko");
    root.file("elsewhere/d.ko");
    root.link("m/build", "../elsewhere");
    root.link("m/link.ko", "../elsewhere/d.ko");
    root.link("m/dangling.ko", "nothing");
    const auto found = find_modules(root / "m");
    CHECK(found == std::vector<std::filesystem::path>{root / "m/a.ko.xz", root / "m/b.ko", root / "m/deep/er/c.ko.zst",
                                                      root / "m/link.ko"});
    CHECK(find_modules(root.folder("empty")).empty());
    CHECK(error_of([&] { static_cast<void>(find_modules(root / "missing")); }).code() == ErrorCode::system);
    CHECK(error_of([&] { static_cast<void>(find_modules(root / "m/b.ko")); }).code() == ErrorCode::system);
}

TEST_CASE("links lead where they would if the root were the root", "[kernel]") {
    const KernelRoot root;
    root.file("usr/src/headers/x");
    root.link("absolute", "/usr/src/headers");
    root.link("relative", "usr/src/../src/headers");
    root.link("a/b/up", "../../usr/src/headers");
    root.link("a/b/too-far-up", "../../../../../../usr/src/headers");
    root.link("chain", "absolute");
    root.link("lib", "usr/lib");
    root.folder("usr/lib/modules");
    root.link("usr/lib/modules/build", "/absolute/x");
    root.link("to-root", "/");
    root.link("above", "..");
    const auto resolved = [&](const char* path) { return resolve_in_root(root.path(), root / path); };
    CHECK(resolved("absolute") == root / "usr/src/headers");
    CHECK(resolved("relative") == root / "usr/src/headers");
    CHECK(resolved("a/b/up") == root / "usr/src/headers");
    CHECK(resolved("a/b/too-far-up") == root / "usr/src/headers");
    CHECK(resolved("chain/x") == root / "usr/src/headers/x");
    CHECK(resolved("lib/modules/build") == root / "usr/src/headers/x");
    CHECK(resolved("to-root") == root.path());
    CHECK(resolved("to-root/to-root/chain") == root / "usr/src/headers");
    CHECK(resolved("above/above/a") == root / "a");
    CHECK(resolved("../../../etc/passwd") == root / "etc/passwd");
    CHECK(resolved("a/../absolute") == root / "usr/src/headers");
    // What is not there is kept.
    CHECK(resolved("missing/x/../y") == root / "missing/y");
    CHECK(resolved("absolute/missing") == root / "usr/src/headers/missing");
    CHECK(resolve_in_root(root.path(), root.path()) == root.path());
    // A link followed from "..": from where it leads to, as the kernel does.
    root.link("sideways", "usr/src");
    CHECK(resolved("sideways/../lib") == root / "usr/lib");
}

TEST_CASE("a root may be written in several ways", "[kernel]") {
    const KernelRoot root;
    root.file("usr/src/x");
    root.link("link", "/usr/src");
    const std::filesystem::path slashed = root.path().string() + "/";
    CHECK(std::filesystem::equivalent(resolve_in_root(slashed, slashed / "link"), root / "usr/src"));
    CHECK(resolve_in_root("/", "/nonexistent/../proc") == "/proc");
    const std::filesystem::path before = std::filesystem::current_path();
    std::filesystem::current_path(root.path());
    CHECK(std::filesystem::equivalent(resolve_in_root(".", "./link"), "usr/src"));
    std::filesystem::current_path(root.path().parent_path());
    const std::filesystem::path relative = root.path().filename();
    CHECK(std::filesystem::equivalent(resolve_in_root(relative, relative / "link"), root / "usr/src"));
    std::filesystem::current_path(before);
}

TEST_CASE("a loop of links is told", "[kernel]") {
    const KernelRoot root;
    root.link("a", "b");
    root.link("b", "/a");
    root.link("self", "self");
    root.link("deeper", "deeper/x");
    for (const char* path : {"a", "self", "self/x", "deeper"}) {
        const Error error = error_of([&] { static_cast<void>(resolve_in_root(root.path(), root / path)); });
        CHECK(error.code() == ErrorCode::system);
        CHECK(mentions(error.reason(), "levels of symbolic links"));
    }
}

TEST_CASE("a kernel's folders are found within its root", "[kernel]") {
    const KernelRoot root;
    root.link("lib", "usr/lib");
    root.folder("usr/lib/modules/" + release);
    root.link("usr/lib/modules/" + release + "/build", "/usr/src/linux-headers");
    root.folder("usr/src/linux-headers");
    const Kernel kernel = kernel_in(root);
    CHECK(kernel.release().text() == release);
    CHECK(kernel.root() == root.path());
    CHECK(std::filesystem::equivalent(kernel.modules_folder(), root / "usr/lib/modules" / release));
    CHECK(kernel.build_folder() == root / "usr/src/linux-headers");
}

TEST_CASE("a kernel without headers has no build folder", "[kernel]") {
    const KernelRoot root;
    CHECK_FALSE(kernel_in(root).build_folder());
    CHECK_FALSE(kernel_in(root).config());
    root.link("lib/modules/" + release + "/build", "/usr/src/not-installed");
    CHECK_FALSE(kernel_in(root).build_folder());
    root.file("usr/src/not-installed"); // a file, not a folder
    CHECK_FALSE(kernel_in(root).build_folder());
}

TEST_CASE("a build folder or configuration that can't be seen is not taken for none", "[kernel]") {
    const KernelRoot root;
    root.folder("boot");
    const std::string unseen(300, 'x'); // longer than a name may be, which stops root, too
    root.link("lib/modules/" + release + "/build", "/boot/" + unseen);
    CHECK(error_of([&] { static_cast<void>(kernel_in(root).build_folder()); }).code() == ErrorCode::system);
    std::filesystem::remove(root / ("lib/modules/" + release + "/build"));
    root.link("lib/modules/" + release + "/build/.config", "/boot/" + unseen);
    CHECK(kernel_in(root).build_folder());
    const Error error = error_of([&] { static_cast<void>(kernel_in(root).config()); });
    CHECK(error.subject() == (root / ("boot/" + unseen)).string());
    CHECK(mentions(error.reason(), "look for it: "));
}

TEST_CASE("Fedora's headers without their kernel, as where packages are built", "[kernel]") {
    const KernelRoot root;
    root.file("usr/src/kernels/" + release + "/.config", "CONFIG_MODULE_SIG=y\n");
    const Kernel kernel = kernel_in(root);
    CHECK(kernel.build_folder() == root / "usr/src/kernels" / release);
    REQUIRE(kernel.config());
    CHECK(kernel.config()->enabled("MODULE_SIG"));
}

TEST_CASE("the name of a kernel's package", "[kernel]") {
    const KernelRoot root;
    CHECK(kernel_in(root).package_base().empty());
    root.file("lib/modules/" + release + "/pkgbase", "linux-lts\n");
    CHECK(kernel_in(root).package_base() == "linux-lts");
    root.file("lib/modules/" + release + "/pkgbase", "../linux\n");
    CHECK(kernel_in(root).package_base().empty());
}

TEST_CASE("a kernel's configuration is .config, else auto.conf", "[kernel]") {
    const KernelRoot root;
    const std::string build = "lib/modules/" + release + "/build/";
    root.folder(build);
    CHECK_FALSE(kernel_in(root).config());
    root.file(build + "include/config/auto.conf", "CONFIG_MODULE_SIG_HASH=\"sha256\"\n");
    REQUIRE(kernel_in(root).config());
    CHECK(kernel_in(root).config()->module_hash() == HashAlgorithm::sha256);
    root.file("boot/config", "CONFIG_MODULE_SIG_HASH=\"sha512\"\n");
    root.link(build + ".config", "/boot/config");
    CHECK(kernel_in(root).config()->module_hash() == HashAlgorithm::sha512);
    std::filesystem::remove(root / (build + ".config"));
    root.folder(build + ".config"); // there, and unreadable as a file
    CHECK(error_of([&] { static_cast<void>(kernel_in(root).config()); }).code() == ErrorCode::system);
}

TEST_CASE("a module's file is found by modules.dep", "[kernel]") {
    const KernelRoot root;
    const std::string modules = "lib/modules/" + release + "/";
    root.file(modules + "kernel/drivers/snd-a.ko.xz");
    root.file(modules + "updates/dkms/snd-a.ko");
    root.file(modules + "modules.dep", "kernel/other.ko:\nupdates/dkms/snd-a.ko: kernel/other.ko\n");
    const Kernel kernel = kernel_in(root);
    for (const char* name : {"snd-a", "snd_a"}) {
        CHECK(kernel.module_file(name) == kernel.modules_folder() / "updates/dkms/snd-a.ko");
    }
    // In the list, and not there.
    CHECK(error_of([&] { static_cast<void>(kernel.module_file("other")); }).code() == ErrorCode::kernel);
}

TEST_CASE("a module's file is found without modules.dep, and where that is out of date", "[kernel]") {
    const KernelRoot root;
    const std::string modules = "lib/modules/" + release + "/";
    root.file(modules + "extra/my-module.ko.zst");
    const Kernel kernel = kernel_in(root);
    CHECK(kernel.module_file("my_module") == kernel.modules_folder() / "extra/my-module.ko.zst");
    root.file(modules + "modules.dep", "updates/my-module.ko:\n");
    CHECK(kernel.module_file("my-module") == kernel.modules_folder() / "extra/my-module.ko.zst");
}

TEST_CASE("a module that is not there is told", "[kernel]") {
    const KernelRoot root;
    const Error without_folder = error_of([&] { static_cast<void>(kernel_in(root).module_file("a")); });
    CHECK(without_folder.code() == ErrorCode::kernel);
    CHECK(mentions(without_folder.reason(), release));
    root.file("lib/modules/" + release + "/ab.ko");
    CHECK(error_of([&] { static_cast<void>(kernel_in(root).module_file("a")); }).code() == ErrorCode::kernel);
    root.file("lib/modules/" + release + "/modules.dep", "\n\nab.ko:\n");
    CHECK(error_of([&] { static_cast<void>(kernel_in(root).module_file("")); }).code() == ErrorCode::kernel);
}

TEST_CASE("the modules that DKMS installed are found", "[kernel]") {
    const KernelRoot root;
    const std::string modules = "lib/modules/" + release + "/";
    const std::string tree = "var/lib/dkms/";
    CHECK(kernel_in(root).dkms_modules().empty()); // no DKMS at all
    // Package one: two modules, installed. DKMS compressed one of them afterwards.
    root.file(tree + "one/1.0/" + release + "/x86_64/module/first.ko");
    root.file(tree + "one/1.0/" + release + "/x86_64/module/sec-ond.ko.xz");
    root.link(tree + "one/kernel-" + release + "-x86_64", "1.0/" + release + "/x86_64");
    root.file(modules + "updates/dkms/first.ko.xz");
    root.file(modules + "updates/dkms/sec-ond.ko.xz");
    // Package two: built, not installed.
    root.file(tree + "two/2.0/" + release + "/x86_64/module/third.ko");
    // Package three: installed for another kernel.
    root.file(tree + "three/3.0/9.9/x86_64/module/fourth.ko");
    root.link(tree + "three/kernel-9.9-x86_64", "3.0/9.9/x86_64");
    root.file(modules + "kernel/fifth.ko");
    root.file(tree + "dkms_dbversion", "2.0");
    const Kernel kernel = kernel_in(root);
    CHECK(kernel.dkms_modules() ==
          std::vector<std::filesystem::path>{kernel.modules_folder() / "updates/dkms/first.ko.xz",
                                             kernel.modules_folder() / "updates/dkms/sec-ond.ko.xz"});
}

TEST_CASE("a kernel whose release starts another's does not get its DKMS modules", "[kernel]") {
    const KernelRoot root;
    root.file("var/lib/dkms/one/1.0/6.12.1-test-rt/x86_64/module/first.ko");
    root.link("var/lib/dkms/one/kernel-6.12.1-test-rt-x86_64", "1.0/6.12.1-test-rt/x86_64");
    root.file("lib/modules/6.12.1-test-rt/updates/dkms/first.ko");
    root.folder("lib/modules/" + release);
    CHECK(kernel_in(root).dkms_modules().empty());
    CHECK(kernel_in(root, "6.12.1-test-rt").dkms_modules().size() == 1);
}

TEST_CASE("of two modules of one name, the one that modprobe takes is DKMS's", "[kernel]") {
    const KernelRoot root;
    const std::string modules = "lib/modules/" + release + "/";
    root.file("var/lib/dkms/one/1.0/" + release + "/x86_64/module/first.ko");
    root.link("var/lib/dkms/one/kernel-" + release + "-x86_64", "1.0/" + release + "/x86_64");
    root.file(modules + "kernel/first.ko");
    root.file(modules + "updates/dkms/first.ko");
    root.file(modules + "modules.dep", "updates/dkms/first.ko:\n");
    const Kernel kernel = kernel_in(root);
    CHECK(kernel.dkms_modules() ==
          std::vector<std::filesystem::path>{kernel.modules_folder() / "updates/dkms/first.ko"});
}

TEST_CASE("a module that DKMS calls installed and that is gone is told", "[kernel]") {
    const KernelRoot root;
    root.file("var/lib/dkms/one/1.0/" + release + "/x86_64/module/first.ko");
    root.link("var/lib/dkms/one/kernel-" + release + "-x86_64", "1.0/" + release + "/x86_64");
    root.folder("lib/modules/" + release);
    const Error error = error_of([&] { static_cast<void>(kernel_in(root).dkms_modules()); });
    CHECK(error.code() == ErrorCode::kernel);
    CHECK(error.subject() == "first");
    CHECK(mentions(error.reason(), "DKMS has it as installed"));
}
