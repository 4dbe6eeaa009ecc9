// ksign config update: a kernel configuration that trusts the current key.
#include "key_report.hpp"
#include "key_request.hpp"

#include <ksign/error.hpp>
#include <ksign/key_folder.hpp>
#include <ksign/trusted_keys.hpp>

namespace ksign::hook {
namespace {

constexpr CommandHelp help{
    "config update [--certs-local DIR] [OPTIONS] FILE|PATTERN...",
    "Sets CONFIG_SYSTEM_TRUSTED_KEYS of kernel configurations to the current key, so that the kernel built\n"
    "with it trusts the modules that are signed with it. Other certificates that a configuration names are\n"
    "kept, in one PEM file beside the key. No other byte changes.",
    "  ksign config update config\n"
    "  ksign config update --replace 'conf/config.*'\n"};

} // namespace

/// Each configuration must want the key that there is.
void expect_key_to_suit(const std::vector<std::filesystem::path>& files, const std::filesystem::path& certs_local) {
    std::vector<KernelConfig> configs;
    configs.reserve(files.size());
    for (const auto& file : files) {
        configs.push_back(KernelConfig::load(file));
    }
    const auto folder = current_key_folder(certs_local);
    if (!folder) {
        throw Error(ErrorCode::no_key, certs_local.string(), "has no current key",
                    "`ksign keys generate --kernel-config FILE` makes one");
    }
    const KeyFolder key = read_key_folder(*folder);
    CertificateRequest request;
    request.profile = usual_profile(certs_local);
    const KeyChoice wanted = choose_key(configs, {std::nullopt, std::nullopt, request});
    // RSA of another size than the profile's serves as well.
    if (key_kind_family(key.kind) != key_kind_family(wanted.kind) || (key.hash && key.hash != wanted.hash)) {
        throw Error(ErrorCode::kernel, files.front().string(),
                    "wants a " + std::string(key_kind_name(wanted.kind)) + " key and " +
                        std::string(hash_name(wanted.hash)) + ", and the current key is " +
                        std::string(key_kind_name(key.kind)) +
                        (key.hash ? " for " + std::string(hash_name(*key.hash)) : std::string()),
                    "`ksign keys refresh --kernel-config " + files.front().string() + "` makes one that suits");
    }
}

int run_config_update(const Arguments& arguments) {
    Options options("Options");
    add_certs_local_option(options);
    options.value("source", "DIR", "the kernel's source tree, where relative names in a configuration start")
        .flag("replace", "drop other certificates that a configuration names")
        .flag("dry-run,n", "do everything but write");
    const auto values = parse_arguments(arguments, options, help);
    if (!values) {
        return exit_done;
    }
    const auto words = positional(*values);
    if (words.empty()) {
        throw UsageError("name the kernel configurations to update");
    }
    TrustedKeysRequest request;
    request.certs_local = certs_local_of(*values);
    if (const auto source = value_of(*values, "source")) {
        request.source = *source;
    }
    request.replace = values->contains("replace");
    request.dry_run = values->contains("dry-run");
    const auto files = expand_patterns(words);
    expect_key_to_suit(files, request.certs_local);
    bool failed = false;
    for (const auto& file : files) {
        try {
            print_config_update(file, update_trusted_keys(file, request), request.dry_run);
        } catch (const Error& error) {
            print_error(error);
            failed = true;
        }
    }
    return failed ? exit_failed : exit_done;
}

} // namespace ksign::hook
