// ksign keys install: the current key into a kernel package's build folder.
#include "key_report.hpp"
#include "key_request.hpp"

#include <ksign/key_install.hpp>

namespace ksign::hook {
namespace {

constexpr CommandHelp help{
    "keys install [--certs-local DIR] [--native] [--public-only] DESTINATION",
    "Copies the current key to DESTINATION, which the package installs as the kernel's build/certs-local:\n"
    "there ksign finds it. With --native DESTINATION is the kernel's build/certs, and gets\n"
    "signing_key.pem and signing_key.x509 with mode 0400.",
    "  ksign keys install \"$builddir/certs-local\"             in _package-headers() of a PKGBUILD\n"
    "  ksign keys install --native \"$builddir/certs\"\n"
    "  ksign keys install --public-only \"$builddir/certs-local\"   for a package that is given away\n"};

} // namespace

std::vector<std::pair<std::string, std::filesystem::path>> certs_local_links() {
    // Arch-SKM's kernel-sign.sh calls build/certs-local/sign_module.py; the one beside it is for people.
    return {{"sign_module.py", KSIGN_BINDIR "/ksign"}, {"sign_module", KSIGN_BINDIR "/ksign"}};
}

int run_keys_install(const Arguments& arguments) {
    Options options("Options");
    add_certs_local_option(options);
    options.flag("native", "as the kernel's own build has it, for its build/certs")
        .flag("public-only", "the certificate without the private key");
    const auto values = parse_arguments(arguments, options, help);
    if (!values) {
        return exit_done;
    }
    const auto words = positional(*values);
    if (words.size() != 1) {
        throw UsageError("name one folder to install to");
    }
    KeyInstallRequest request;
    request.certs_local = certs_local_of(*values);
    request.destination = words.front();
    request.public_only = values->contains("public-only");
    if (values->contains("native")) {
        print_installed(install_native_keys(request), request);
    } else {
        if (!request.public_only) {
            request.links = certs_local_links();
        }
        print_installed(install_keys(request), request);
    }
    return exit_done;
}

} // namespace ksign::hook
