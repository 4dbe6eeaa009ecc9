// sign-file: in place of the kernel's scripts/sign-file and of Ubuntu's kmodsign. Same command line, same bytes with
// RSA; unlike it, takes compressed modules, keeps mode and owner, and never stacks signatures.
#include "options.hpp"
#include "signing_choice.hpp"

#include <ksign/error.hpp>
#include <ksign/kernel.hpp>
#include <ksign/sign.hpp>
#include <ksign/text_file.hpp>
#include <ksign/token.hpp>

#include <getopt.h>

#include <cstdlib>
#include <fstream>
#include <iostream>

namespace ksign::hook {
namespace {

// What conf/dkms-framework.conf gives DKMS as mok_signing_key: DKMS makes no key for a pkcs11: name, so a kernel
// without one gets ksign's message and never a key that no kernel trusts (dkms: prepare_mok).
constexpr std::string_view kernel_key_name = "pkcs11:ksign";

constexpr const char* usage_text =
    "Usage: sign-file [-dpki] HASH KEY CERTIFICATE MODULE [DESTINATION]\n"
    "       sign-file -s RAW-SIGNATURE HASH CERTIFICATE MODULE [DESTINATION]\n"
    "\n"
    "  -d   write MODULE.p7s, a detached signature, and nothing else\n"
    "  -p   write MODULE.p7s as well\n"
    "  -k   name the signer by key identifier, not by issuer and serial\n"
    "  -i   put the certificate into the signature\n"
    "  -s   append a signature made elsewhere; it must be right by CERTIFICATE if that is a file or URI\n"
    "\n"
    "KEY is a PEM file or a pkcs11: URI; pkcs11:ksign means the key of the kernel that $kernelver names, as DKMS\n"
    "sets it. CERTIFICATE is DER or PEM, or a pkcs11: URI. The passphrase or PIN: KBUILD_SIGN_PIN, or pin-file of\n"
    "ksign.conf.\n"
    "\n"
    "Examples:\n"
    "  ksign sign-file sha512 signing_key.pem signing_key.x509 nvidia.ko.zst\n"
    "  sign_file=\"" KSIGN_LIBEXECDIR "/sign-file\"       in /etc/dkms/framework.conf\n";

struct SignFileArguments {
    bool raw = false;
    bool detached = false;
    bool keep_signature = false;
    SignatureForm form;
    std::vector<std::string> words;
    bool help = false;
};

/// As the kernel's: getopt(3), so that options may stand after words.
SignFileArguments parse(const Arguments& arguments) {
    std::string name = "sign-file";
    std::vector<std::string> copies(arguments);
    std::vector<char*> pointers{name.data()};
    for (std::string& copy : copies) {
        pointers.push_back(copy.data());
    }
    pointers.push_back(nullptr);
    const int count = static_cast<int>(pointers.size()) - 1;
    constexpr option long_options[] = {{"help", no_argument, nullptr, 'h'}, {nullptr, 0, nullptr, 0}};
    SignFileArguments parsed;
    optind = 0;
    opterr = 0;
    for (int letter = 0; (letter = ::getopt_long(count, pointers.data(), "sdpkih", long_options, nullptr)) != -1;) {
        switch (letter) {
        case 's':
            parsed.raw = true;
            break;
        case 'd':
            parsed.detached = true;
            break;
        case 'p':
            parsed.keep_signature = true;
            break;
        case 'k':
            parsed.form.by_key_id = true;
            break;
        case 'i':
            parsed.form.include_certificate = true;
            break;
        case 'h':
            parsed.help = true;
            break;
        default:
            throw UsageError("sign-file: there is no such option");
        }
    }
    parsed.words.assign(pointers.begin() + optind, pointers.end() - 1);
    if (!parsed.help && (parsed.words.size() < 4 || parsed.words.size() > 5)) {
        throw UsageError("sign-file: expected HASH KEY CERTIFICATE MODULE [DESTINATION], or with -s RAW-SIGNATURE HASH "
                         "CERTIFICATE MODULE "
                         "[DESTINATION]");
    }
    return parsed;
}

HashAlgorithm required_hash(const std::string& name) {
    const auto hash = parse_hash(name);
    if (!hash) {
        throw Error(ErrorCode::usage, name, "is not a hash that kernels verify modules with");
    }
    return *hash;
}

void write_detached(const std::string& module, std::span<const std::byte> signature) {
    const std::string path = module + ".p7s";
    std::ofstream stream(path, std::ios::binary | std::ios::trunc);
    stream.write(reinterpret_cast<const char*>(signature.data()), static_cast<std::streamsize>(signature.size()));
    stream.close();
    if (!stream) {
        throw Error::from_errno(path, "write", errno);
    }
}

std::vector<std::byte> read_raw_signature(const std::string& path) {
    constexpr std::size_t largest_signature = std::size_t{1} << 20U; // with certificates in it; most are of 1 KiB
    const std::string text = read_text_file(path, largest_signature);
    const auto* bytes = reinterpret_cast<const std::byte*>(text.data());
    return {bytes, bytes + text.size()};
}

/// The kernel that DKMS builds for.
Kernel kernel_of_dkms() {
    const char* release = std::getenv("kernelver");
    if (release == nullptr) {
        throw Error(ErrorCode::kernel, std::string(kernel_key_name),
                    "means the key of the kernel that DKMS builds for, and $kernelver, which names it, is not set",
                    "outside DKMS name a key and certificate, or use `ksign sign -k RELEASE`");
    }
    return {KernelRelease(release)};
}

SigningChoice choose(const SignFileArguments& parsed, HashAlgorithm hash, const Settings& settings) {
    const std::string& key = parsed.words[1];
    SigningRequest request{key, parsed.words[2], hash, {}, passphrase_source({}, settings, Prompt::never)};
    if (key == kernel_key_name) {
        request.key.reset();
        request.certificate.reset();
        request.kernel = kernel_of_dkms();
    }
    auto choice = choose_signing(request, settings);
    if (!choice) {
        // Not a matter of missing-key: DKMS goes on anyway, and from 3.1.6 on shows this text only on failure.
        throw missing_key_error(request.kernel, settings);
    }
    return *choice;
}

/// A certificate for -s, where that word names one: the kernel's sign-file does not look at it at all.
std::optional<std::filesystem::path> certificate_for_raw(const std::string& word) {
    std::error_code ignored;
    return is_token_uri(word) || std::filesystem::is_regular_file(word, ignored)
               ? std::optional<std::filesystem::path>(word)
               : std::nullopt;
}

} // namespace

int run_sign_file(const Arguments& arguments) {
    const SignFileArguments parsed = parse(arguments);
    if (parsed.help) {
        std::cout << usage_text;
        return exit_done;
    }
    const Settings settings = read_usual_settings("/");
    const std::string& module = parsed.words[3];
    SignOptions options;
    options.hash = required_hash(parsed.words[parsed.raw ? 1 : 0]);
    options.form = parsed.form;
    options.files = settings.files;
    if (parsed.words.size() == 5) {
        options.destination = parsed.words[4];
    }
    if (parsed.raw) {
        static_cast<void>(attach_signature(module, read_raw_signature(parsed.words[0]),
                                           certificate_for_raw(parsed.words[2]), options));
        return exit_done;
    }
    const SigningChoice choice = choose(parsed, options.hash, settings);
    if (parsed.detached) {
        write_detached(module, make_detached_signature(module, choice.signer, options));
        return exit_done;
    }
    const SignResult result = sign_module(module, choice.signer, options);
    if (parsed.keep_signature) {
        write_detached(module, result.signature);
    }
    return exit_done;
}

} // namespace ksign::hook
