#include <ksign/kernel_facts.hpp>

#include "catch.hpp"

using namespace ksign;

namespace {

bool trusts_platform(const std::string& release, const std::string& builder) {
    KernelFacts facts;
    facts.release = release;
    facts.banner = "Linux version " + release + " " + builder;
    return trusts_platform_keys(facts);
}

} // namespace

TEST_CASE("whose kernels look into .platform for the keys of modules", "[kernel_facts]") {
    const std::string debian = "(debian-kernel@lists.debian.org) (x86_64-linux-gnu-gcc-12 (Debian 12.2.0-14))";
    const std::string ubuntu = "(buildd@lcy02-amd64-103) (x86_64-linux-gnu-gcc-13 (Ubuntu 13.2.0)) #49-Ubuntu SMP";
    const std::string red_hat =
        "(mockbuild@3a6ea1e4b6f04fd1bb6e83ba9ad10ac0) (gcc (GCC) 14.2.1 (Red Hat 14.2.1-3)) #1 SMP";
    const std::string suse = "(geeko@buildhost) (gcc (SUSE Linux) 13.3.0) #1 SMP";
    CHECK(trusts_platform("6.1.0-56-amd64", debian));
    CHECK(trusts_platform("6.8.0-49-generic", ubuntu));
    for (const char* release : {"6.12.5-200.fc41.x86_64", "6.13.0-0.rc3.20241218gitaef25be35d23.31.fc42.x86_64",
                                "5.14.0-503.15.1.el9_5.x86_64", "6.12.0-55.9.1.el10_0.aarch64",
                                "6.16.0-0.rc1.17.eln148.x86_64", "6.1.112-122.189.amzn2023.x86_64"}) {
        INFO(release);
        CHECK(trusts_platform(release, red_hat));
    }
    CHECK(trusts_platform("6.4.0-150600.23.30-default", suse));
    // Built by the same machines, from other sources.
    for (const char* release :
         {"6.12.5-cachyos1.fc41.x86_64", "6.12.5-250.vanilla.fc41.x86_64", "5.15.0-310.el8uek.x86_64", "6.12.5"}) {
        INFO(release);
        CHECK_FALSE(trusts_platform(release, red_hat));
    }
    CHECK_FALSE(trusts_platform("6.12.0-1-vanilla", suse));
    CHECK_FALSE(
        trusts_platform("6.8.0-060800-generic", "(kernel@kathleen) (x86_64-linux-gnu-gcc-13 (Ubuntu 13.2.0)) #1 SMP"));
    CHECK_FALSE(trusts_platform("6.12.1-arch1-1", "(linux@archlinux) (gcc (GCC) 14.2.1 20240910)"));
    CHECK_FALSE(trusts_platform("6.12.5-200.fc41.x86_64", "(me@home) (gcc (GCC) 14.2.1)"));
    CHECK_FALSE(trusts_platform({}, {}));
}
