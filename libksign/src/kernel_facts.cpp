#include <ksign/kernel_facts.hpp>

namespace ksign {

bool trusts_platform_keys(const KernelFacts& facts) {
    return facts.banner.find("(debian-kernel@lists.debian.org)") != std::string::npos;
}

} // namespace ksign
