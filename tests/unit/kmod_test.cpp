#include <ksign/kmod.hpp>

#include "catch.hpp"
#include "temporary_folder.hpp"

using namespace ksign;
using namespace ksign::test;

namespace {

/// Whether a system whose libkmod.so.2 is a link to this has a kmod that decompresses itself.
bool with_library(const std::string& target, const std::string& folder = "usr/lib/x86_64-linux-gnu") {
    const TemporaryFolder root;
    std::filesystem::create_directories(root / folder);
    std::filesystem::create_symlink(target, root / folder / "libkmod.so.2");
    return kmod_decompresses_itself(root.path());
}

} // namespace

TEST_CASE("kmod's version by the name of its library", "[kmod]") {
    CHECK(with_library("libkmod.so.2.3.7"));       // kmod 29
    CHECK(with_library("libkmod.so.2.4.0"));       // kmod 30
    CHECK_FALSE(with_library("libkmod.so.2.4.1")); // kmod 31
    CHECK_FALSE(with_library("libkmod.so.2.5.1")); // kmod 34
    CHECK_FALSE(with_library("libkmod.so.2.10.0"));
}

TEST_CASE("libkmod is found where distributions have it", "[kmod]") {
    for (const char* const folder : {"usr/lib", "usr/lib64", "lib/aarch64-linux-gnu", "lib64"}) {
        INFO(folder);
        CHECK(with_library("libkmod.so.2.4.0", folder));
    }
    CHECK_FALSE(kmod_decompresses_itself(TemporaryFolder().path()));
    CHECK_FALSE(kmod_decompresses_itself("/nowhere/at/all"));
}
