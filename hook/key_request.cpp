#include "key_request.hpp"

#include "report.hpp"

#include <ksign/error.hpp>

#include <glob.h>

#include <charconv>
#include <system_error>

namespace ksign::hook {
namespace {

constexpr const char* profile_name = "x509.oot.genkey";

bool is_there(const std::filesystem::path& path) {
    std::error_code ignored;
    return std::filesystem::exists(path, ignored);
}

int whole_number(const Values& values, const char* name, int lowest) {
    const std::string text = value_of(values, name).value_or("");
    int number = 0;
    const char* const end = text.data() + text.size();
    const auto [last, why] = std::from_chars(text.data(), end, number);
    if (why != std::errc() || last != end || number < lowest) {
        throw UsageError(std::string("--") + name + ": '" + text + "' is not a number from " + std::to_string(lowest) +
                         " on");
    }
    return number;
}

std::optional<KeyKind> kind_of(const Values& values) {
    const auto name = value_of(values, "type");
    if (!name) {
        return std::nullopt;
    }
    const auto kind = parse_key_kind(*name);
    if (!kind) {
        std::string known;
        for (const std::string_view each : key_kind_names()) {
            known += (known.empty() ? "" : ", ") + std::string(each);
        }
        throw UsageError("unknown type of key '" + *name + "'; known are " + known);
    }
    return kind;
}

CertificateRequest certificate_request_of(const Values& values, const std::filesystem::path& certs_local) {
    CertificateRequest request;
    request.profile = usual_profile(certs_local);
    if (const auto profile = value_of(values, "profile")) {
        request.profile = *profile;
    }
    request.common_name = value_of(values, "cn");
    if (values.contains("days")) {
        request.days = whole_number(values, "days", 1);
    }
    request.code_signing = values.contains("code-signing");
    request.authority = values.contains("ca");
    return request;
}

} // namespace

void add_certs_local_option(Options& options) {
    options.value("certs-local", "DIR",
                  "the folder with the keys (default: the current folder if it is one, else certs-local in it)");
}

bool is_certs_local(const std::filesystem::path& folder) {
    std::error_code ignored;
    return std::filesystem::absolute(folder, ignored).lexically_normal().filename() == "certs-local" ||
           is_there(folder / profile_name) || std::filesystem::is_symlink(folder / "current", ignored);
}

std::filesystem::path certs_local_of(const Values& values) {
    if (const auto folder = value_of(values, "certs-local")) {
        return *folder;
    }
    return is_certs_local(".") ? "." : "certs-local";
}

void add_kernel_config_options(Options& options) {
    options.values("kernel-config", "FILE",
                   "a kernel's .config, or a pattern like 'config.*'; may be given several times");
    add_kernel_options(options, "its configuration, where none is named");
}

std::vector<KernelConfig> kernel_configs_of(const Values& values, std::string& remark) {
    std::vector<KernelConfig> configs;
    if (values.contains("kernel-config")) {
        for (const auto& file : expand_patterns(values.all("kernel-config"))) {
            configs.push_back(KernelConfig::load(file));
        }
        return configs;
    }
    const auto named = kernel_of(values);
    const Kernel kernel = named ? *named : Kernel(KernelRelease::running(), value_of(values, "root").value_or("/"));
    if (auto config = kernel.config()) {
        if (!named) {
            remark = "for the running kernel, " + kernel.release().text() + ": --kernel-config names another's";
        }
        configs.push_back(std::move(*config));
    } else if (named) {
        throw Error(ErrorCode::kernel, "kernel " + kernel.release().text(),
                    "has no configuration in " + (kernel.modules_folder() / "build").string(),
                    "install its headers, or name the file with --kernel-config");
    }
    return configs;
}

std::vector<std::filesystem::path> expand_patterns(const std::vector<std::string>& words) {
    std::vector<std::filesystem::path> files;
    for (const std::string& word : words) {
        glob_t found{};
        const int result = is_there(word) ? GLOB_NOMATCH : ::glob(word.c_str(), 0, nullptr, &found);
        for (std::size_t index = 0; result == 0 && index < found.gl_pathc; ++index) {
            files.emplace_back(found.gl_pathv[index]);
        }
        ::globfree(&found);
        if (is_there(word)) {
            files.emplace_back(word);
        } else if (result != 0) {
            throw Error(ErrorCode::usage, word, "no such file", "name a kernel's .config, or a pattern in quotes");
        }
    }
    return files;
}

void add_key_options(Options& options) {
    options.value("type", "TYPE", "rsa-4096, p-384, … (default: the configuration's)")
        .value("hash", "HASH",
               "what modules will be signed with: sha256, sha384, sha512, sha3-256, … (default: the configuration's)")
        .value("profile", "FILE",
               "what the certificate says, as openssl req reads it (default: x509.oot.genkey of DIR, else "
               "of " KSIGN_SYSCONFDIR "/ksign)")
        .value("cn", "NAME", "common name of the certificate")
        .value("days", "N", "how long the certificate is valid (default: 36500)")
        .flag("code-signing", "with the extended key usage codeSigning")
        .flag("ca", "a CA's certificate, for the machine keyring")
        .value("keep", "N", "remove the oldest key folders; N stay");
}

RefreshRequest refresh_request_of(const Values& values) {
    RefreshRequest request;
    request.certs_local = certs_local_of(values);
    request.certificate = certificate_request_of(values, request.certs_local);
    const auto kind = kind_of(values);
    const auto hash = hash_of(value_of(values, "hash"));
    std::string remark;
    const auto configs = kernel_configs_of(values, remark);
    const KeyChoice choice = choose_key(configs, {kind, hash, request.certificate});
    request.kind = choice.kind;
    request.hash = choice.hash;
    for (const std::string& each : {remark, choice.remark}) {
        if (!each.empty()) {
            print_note(each);
        }
    }
    if (values.contains("keep")) {
        request.keep = static_cast<std::size_t>(whole_number(values, "keep", 1));
    }
    return request;
}

RefreshPeriod refresh_period_of(const std::string& text) {
    const auto period = parse_refresh_period(text);
    if (!period) {
        throw UsageError("--refresh: '" + text + "' is no time; write 7d, 24h, 30days, 2weeks or always");
    }
    return *period;
}

std::optional<std::filesystem::path> usual_profile(const std::filesystem::path& certs_local) {
    for (const std::filesystem::path& file :
         {certs_local / profile_name, std::filesystem::path(KSIGN_SYSCONFDIR) / "ksign" / profile_name}) {
        if (is_there(file)) {
            return file;
        }
    }
    return std::nullopt;
}

} // namespace ksign::hook
