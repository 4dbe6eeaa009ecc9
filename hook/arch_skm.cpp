// genkeys, install-certs, sign_module: Arch-SKM's three programs, by their names and arguments. A certs-local folder
// moves over by replacing its three scripts with links to ksign. Unlike them, a failure ends with 1.
#include "key_report.hpp"
#include "key_request.hpp"
#include "signing_choice.hpp"
#include "targets.hpp"

#include <ksign/error.hpp>
#include <ksign/key_folder.hpp>
#include <ksign/key_install.hpp>
#include <ksign/key_store.hpp>
#include <ksign/trusted_keys.hpp>

#include <algorithm>
#include <iostream>

namespace ksign::hook {
namespace {

constexpr const char* success = "Success: all done\n";

constexpr CommandHelp genkeys_help{
    "genkeys [-r TIME] [-c FILE|PATTERN] [-v]",
    "Arch-SKM's genkeys.py: makes or renews the key of certs-local, and has the kernel configurations\n"
    "trust it. certs-local is the folder of the link by which it is called, else the current folder\n"
    "or certs-local in it.",
    "  ln -sf /usr/bin/ksign certs-local/genkeys.py\n"
    "  certs-local/genkeys.py -v --config 'conf/config.*' --refresh 30days\n"};

constexpr CommandHelp install_help{"install-certs DESTINATION",
                                   "Arch-SKM's install-certs.py: copies the current key, and links to the tools, to\n"
                                   "DESTINATION, which the package installs as the kernel's build/certs-local.",
                                   "  certs-local/install-certs.py \"$builddir/certs-local\"\n"};

constexpr CommandHelp sign_help{
    "sign_module MODULE...|-d DIR",
    "Arch-SKM's sign_module.py: signs modules with the key of the certs-local by whose link it is called.\n"
    "DIR is not searched any deeper.",
    "  /usr/lib/modules/\"$(uname -r)\"/build/certs-local/sign_module.py -d ./modules\n"};

/// The folder of the link that this process was called by, if that is a certs-local; else where one is usually.
std::filesystem::path own_certs_local() {
    std::filesystem::path folder = called_as().parent_path();
    if (!folder.empty() && is_certs_local(folder)) {
        return folder;
    }
    return is_certs_local(".") ? "." : "certs-local";
}

/// "-kh" and "-kt" as the long options that they stand for: Boost reads one letter after one dash.
Arguments with_long_names(Arguments arguments) {
    for (std::string& word : arguments) {
        word = word == "-kh" ? "--khash" : word == "-kt" ? "--ktype" : word;
    }
    return arguments;
}

/// Arch-SKM's default: ./config, or ../config when called in certs-local itself.
std::string usual_config(const std::filesystem::path& certs_local) {
    std::error_code ignored;
    return std::filesystem::equivalent(certs_local, ".", ignored) ? "../config" : "./config";
}

RefreshRequest genkeys_request(const std::filesystem::path& certs_local,
                               const std::vector<std::filesystem::path>& files, const std::string& period) {
    RefreshRequest request;
    request.certs_local = certs_local;
    request.period = refresh_period_of(period);
    request.certificate.profile = usual_profile(certs_local);
    std::vector<KernelConfig> configs;
    configs.reserve(files.size());
    for (const auto& file : files) {
        configs.push_back(KernelConfig::load(file));
    }
    const KeyChoice choice = choose_key(configs, {std::nullopt, std::nullopt, request.certificate});
    if (!choice.remark.empty()) {
        print_note(choice.remark);
    }
    request.kind = choice.kind;
    request.hash = choice.hash;
    return request;
}

/// Why the kernel, whose build folder certs-local lies in, could not verify the signature; it may not lie in one.
void expect_verifiable(const std::filesystem::path& certs_local, const Signer& signer, HashAlgorithm hash) {
    const std::filesystem::path config = certs_local / ".." / ".config";
    std::error_code ignored;
    if (!std::filesystem::exists(config, ignored)) {
        return;
    }
    if (const auto why = KernelConfig::load(config).why_not_verifiable(signer, hash)) {
        throw Error(ErrorCode::kernel, signer.key_source(), why->reason, why->remedy);
    }
}

std::vector<std::filesystem::path> modules_in(const std::filesystem::path& folder) {
    std::vector<std::filesystem::path> modules;
    std::error_code why;
    for (std::filesystem::directory_iterator entry(folder, why), end; !why && entry != end; entry.increment(why)) {
        std::error_code ignored;
        if (has_module_name(entry->path()) && entry->is_regular_file(ignored)) {
            modules.push_back(entry->path());
        }
    }
    if (why) {
        throw Error::from_errno(folder.string(), "read the folder", why.value());
    }
    std::sort(modules.begin(), modules.end());
    return modules;
}

/// makepkg lays links to a package's own sources into the folder where it builds, and compares these with their
/// checksums: what is edited there must be a copy.
void make_own_file(const std::filesystem::path& config) {
    std::error_code why;
    if (!std::filesystem::is_symlink(config, why)) {
        return;
    }
    const std::filesystem::path copy = config.parent_path() / ("." + config.filename().string() + ".ksign-copy");
    std::filesystem::copy_file(config, copy, std::filesystem::copy_options::overwrite_existing, why);
    if (!why) {
        std::filesystem::rename(copy, config, why);
    }
    if (why) {
        throw Error::from_errno(config.string(), "replace the link by a copy", why.value());
    }
}

} // namespace

int run_genkeys(const Arguments& arguments) {
    const std::filesystem::path certs_local = own_certs_local();
    Options options("Options");
    options.value("refresh,r", "TIME", "how old a key may get: 7d, 24h, 30days, 2weeks, always (default: 7d)")
        .value("config,c", "FILE", "kernel configuration, or a pattern in quotes (default: ./config)")
        .flag("verb,v", "say more")
        .value("khash", "HASH", "not used: the configuration says it (also -kh)")
        .value("ktype", "TYPE", "not used: the configuration says it (also -kt)");
    const auto values = parse_arguments(with_long_names(arguments), options, genkeys_help);
    if (!values) {
        return exit_done;
    }
    const bool verbose = values->contains("verb");
    const auto files = expand_patterns({value_of(*values, "config").value_or(usual_config(certs_local))});
    const RefreshResult result =
        refresh_keys(genkeys_request(certs_local, files, value_of(*values, "refresh").value_or("7d")));
    if (result.made) {
        std::cout << (verbose ? "Making new keys\n" : "");
        print_refresh(result);
    } else if (verbose) {
        std::cout << "Key refresh not needed yet\n";
    }
    for (const auto& file : files) {
        make_own_file(file);
        const TrustedKeysResult updated = update_trusted_keys(file, {certs_local, std::nullopt, false, false});
        if (verbose) {
            std::cout << (updated.changed ? "Updating config: " + file.string() : std::string("config up to date"))
                      << '\n';
        }
    }
    std::cout << success;
    return exit_done;
}

int run_install_certs(const Arguments& arguments) {
    const auto values = parse_arguments(arguments, Options("Options"), install_help);
    if (!values) {
        return exit_done;
    }
    const auto words = positional(*values);
    if (words.size() != 1) {
        throw UsageError("name one destination folder");
    }
    const KeyInstallRequest request{own_certs_local(), words.front(), false, certs_local_links()};
    print_installed(install_keys(request), request);
    return exit_done;
}

int run_sign_module(const Arguments& arguments) {
    Options options("Options");
    options.value("directory,d", "DIR", "all modules of a folder");
    const auto values = parse_arguments(arguments, options, sign_help);
    if (!values) {
        return exit_done;
    }
    const auto words = positional(*values);
    std::vector<std::filesystem::path> modules(words.begin(), words.end());
    if (const auto folder = value_of(*values, "directory")) {
        const auto found = modules_in(*folder);
        modules.insert(modules.end(), found.begin(), found.end());
    }
    if (modules.empty()) {
        throw UsageError("No modules to sign");
    }
    const std::filesystem::path certs_local = own_certs_local();
    const Settings settings = read_usual_settings("/");
    const KeyLocation location = find_certs_local_key(certs_local);
    const Signer signer =
        Signer::load({location.key, location.certificate,
                      passphrase_source(std::nullopt, settings, Prompt::on_terminal), settings.insecure_keys});
    SignOptions sign_options;
    sign_options.files = settings.files;
    sign_options.hash = location.hash.value_or(HashAlgorithm::sha512);
    expect_verifiable(certs_local, signer, sign_options.hash);
    ModuleReport report(OutputForm::lines);
    for_each_module(modules, report, [&](const std::filesystem::path& module) {
        report.signed_module(module, sign_module(module, signer, sign_options), signer, sign_options.hash, false);
    });
    const int code = report.finish();
    std::cout << (code == exit_done ? success : "");
    return code;
}

} // namespace ksign::hook
