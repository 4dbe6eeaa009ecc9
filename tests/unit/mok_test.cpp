#include <ksign/mok.hpp>

#include "catch.hpp"
#include "expect_error.hpp"
#include "firmware_sample.hpp"
#include "key_sample.hpp"

using namespace ksign;
using namespace ksign::test;

namespace {

const std::string usual_config = "CONFIG_MODULE_SIG=y\nCONFIG_CRYPTO_RSA=y\nCONFIG_CRYPTO_SHA256=y\n"
                                 "CONFIG_LOAD_UEFI_KEYS=y\nCONFIG_INTEGRITY_MACHINE_KEYRING=y\n";
constexpr const char* debian = "Linux version 6.1.0-56-amd64 (debian-kernel@lists.debian.org) (gcc-12)";

KernelCertificate certificate_of(const CertificateForm& form = {}) {
    return KernelCertificate::parse(certificate_der(make_certificate(rsa_sample().key.get(), form).get()), "MOK");
}

KernelFacts kernel_with(const std::string& config = usual_config, const std::string& banner = {}) {
    KernelFacts facts;
    facts.config = KernelConfig::parse(config, "config");
    facts.banner = banner;
    return facts;
}

/// A machine with Secure Boot on, whose shim trusts its machine owner keys.
struct UsualMachine : KernelRoot {
    UsualMachine() {
        variable(*this, "SecureBoot", bytes_from({1}));
        variable(*this, "MokListTrustedRT", bytes_from({1}));
    }
};

std::string reasons(const MokSurvey& survey) {
    std::string text;
    for (const VerifyObstacle& obstacle : survey.obstacles) {
        text += obstacle.reason + '|' + obstacle.remedy + '\n';
    }
    return text;
}

} // namespace

TEST_CASE("a machine without UEFI has no machine owner keys", "[mok]") {
    const KernelRoot root;
    const MokSurvey survey = survey_mok(certificate_of(), kernel_with(), root.path());
    CHECK(survey.state == MokState::no_firmware);
    CHECK(mok_state_name(survey.state) == "no firmware");
}

TEST_CASE("which list of the firmware holds a certificate", "[mok]") {
    const Bytes der = certificate_der(rsa_sample().certificate.get());
    const Bytes other = certificate_der(ec_sample().certificate.get());
    const KernelCertificate certificate = KernelCertificate::parse(der, "MOK");
    const auto state_with = [&](const std::string& name, const Bytes& content) {
        const UsualMachine root;
        variable(root, name, content);
        return survey_mok(certificate, kernel_with(), root.path()).state;
    };
    CHECK(state_with("MokListRT", signature_list(x509, {other})) == MokState::absent);
    CHECK(state_with("MokListRT", signature_list(x509, {other, der})) == MokState::enrolled);
    CHECK(state_with("db", signature_list(x509, {der})) == MokState::in_db);
    CHECK(state_with("MokNew", signature_list(x509, {der})) == MokState::requested);
    CHECK(state_with("dbx", signature_list(x509, {der})) == MokState::revoked);
    CHECK(state_with("MokListXRT", signature_list(x509, {der})) == MokState::revoked);
    CHECK(state_with("MokListRT", prefix_of(signature_list(x509, {other}), 100)) == MokState::unknown);
}

TEST_CASE("what is revoked stays so though it is enrolled", "[mok]") {
    const UsualMachine root;
    const Bytes der = certificate_der(rsa_sample().certificate.get());
    variable(root, "MokListRT", signature_list(x509, {der}));
    CHECK(survey_mok(certificate_of(), kernel_with(), root.path()).obstacles.empty());
    variable(root, "dbx", signature_list(x509, {der}));
    const MokSurvey survey = survey_mok(KernelCertificate::parse(der, "MOK"), kernel_with(), root.path());
    CHECK(survey.state == MokState::revoked);
    CHECK(mentions(reasons(survey), "it is revoked on this machine"));
}

TEST_CASE("into .machine, and modules load by it", "[mok]") {
    const UsualMachine root;
    const MokSurvey survey = survey_mok(certificate_of(), kernel_with(), root.path());
    CHECK(survey.state == MokState::absent);
    CHECK(survey.secure_boot);
    CHECK(survey.keyring == Keyring::machine);
    CHECK(mentions(survey.keyring_reason, "MokListTrustedRT"));
    CHECK(reasons(survey).empty());
}

TEST_CASE("into .platform: refused by mainline, taken by Debian", "[mok]") {
    std::string config = usual_config;
    config.replace(config.find("CONFIG_INTEGRITY_MACHINE_KEYRING=y\n"), std::string::npos, "");
    const UsualMachine root;
    const MokSurvey mainline = survey_mok(certificate_of(), kernel_with(config), root.path());
    CHECK(mainline.keyring == Keyring::platform);
    CHECK(mentions(reasons(mainline), "does not look for the keys of modules: it has no machine keyring"));
    CHECK(mentions(reasons(mainline), "CONFIG_SYSTEM_TRUSTED_KEYS"));
    const MokSurvey patched = survey_mok(certificate_of(), kernel_with(config, debian), root.path());
    CHECK(patched.keyring == Keyring::platform);
    CHECK(reasons(patched).empty());
}

TEST_CASE("up to 7.0 a kernel without IMA's policy looks at no machine owner key", "[mok]") {
    const UsualMachine root;
    const auto said = [&root](const std::string& release, const std::string& more = {}) {
        KernelFacts kernel = kernel_with(usual_config + more);
        kernel.release = release;
        return reasons(survey_mok(certificate_of(), kernel, root.path()));
    };
    CHECK(mentions(said("5.18.0"), "CONFIG_IMA_ARCH_POLICY"));
    CHECK(mentions(said("7.0.10-1-cachyos"), "CONFIG_IMA_ARCH_POLICY"));
    CHECK(said("5.17.0").empty());
    CHECK(said("7.1.0").empty());
    CHECK(said("6.12.0", "CONFIG_IMA_SECURE_AND_OR_TRUSTED_BOOT=y\n").empty());
}

TEST_CASE("shim that does not say that its keys are trusted", "[mok]") {
    const KernelRoot root;
    variable(root, "SecureBoot", bytes_from({1}));
    const MokSurvey survey = survey_mok(certificate_of(), kernel_with(), root.path());
    CHECK(survey.keyring == Keyring::platform);
    CHECK(mentions(reasons(survey), "there is no MokListTrustedRT)|run mokutil --trust-mok"));
}

TEST_CASE("a machine keyring for authorities alone", "[mok]") {
    const UsualMachine root;
    const KernelFacts kernel = kernel_with(usual_config + "CONFIG_INTEGRITY_CA_MACHINE_KEYRING=y\n");
    const KernelFacts strict = kernel_with(
        usual_config + "CONFIG_INTEGRITY_CA_MACHINE_KEYRING=y\nCONFIG_INTEGRITY_CA_MACHINE_KEYRING_MAX=y\n");
    const KernelCertificate leaf = certificate_of();
    const KernelCertificate authority = certificate_of(
        {.extensions = {{NID_basic_constraints, "critical,CA:TRUE"}, {NID_key_usage, "keyCertSign,digitalSignature"}}});
    CHECK(mentions(reasons(survey_mok(leaf, kernel, root.path())),
                   "certificate of an authority (ksign keys generate --ca)"));
    CHECK(survey_mok(authority, kernel, root.path()).keyring == Keyring::machine);
    const MokSurvey barred = survey_mok(authority, strict, root.path());
    CHECK(barred.keyring == Keyring::platform);
    CHECK(mentions(reasons(barred), "do not sign data themselves"));
}

TEST_CASE("Secure Boot off: the kernel looks at no machine owner key, but at db", "[mok]") {
    const UsualMachine root;
    variable(root, "SecureBoot", bytes_from({0}));
    const MokSurvey off = survey_mok(certificate_of(), kernel_with(), root.path());
    CHECK_FALSE(off.secure_boot);
    CHECK(mentions(reasons(off), "Secure Boot is off"));
    const Bytes der = certificate_der(rsa_sample().certificate.get());
    variable(root, "db", signature_list(x509, {der}));
    const KernelCertificate certificate = KernelCertificate::parse(der, "MOK");
    CHECK(reasons(survey_mok(certificate, kernel_with(usual_config, debian), root.path())).empty());
    variable(root, "MokIgnoreDB", bytes_from({1}));
    CHECK(mentions(reasons(survey_mok(certificate, kernel_with(usual_config, debian), root.path())), "MokIgnoreDB"));
}

TEST_CASE("Secure Boot that the kernel takes for off", "[mok]") {
    const UsualMachine root;
    CHECK(survey_mok(certificate_of(), kernel_with(), root.path()).secure_boot);
    variable(root, "SetupMode", bytes_from({1}));
    const MokSurvey setup = survey_mok(certificate_of(), kernel_with(), root.path());
    CHECK_FALSE(setup.secure_boot);
    CHECK(mentions(reasons(setup), "the firmware is in setup mode"));

    variable(root, "SetupMode", bytes_from({0}));
    variable(root, "MokSBStateRT", bytes_from({1}));
    const MokSurvey disabled = survey_mok(certificate_of(), kernel_with(), root.path());
    CHECK_FALSE(disabled.secure_boot);
    CHECK(mentions(reasons(disabled), "shim's validation is off"));
    CHECK(mentions(reasons(disabled), "mokutil --enable-validation"));
    // One that lasts is not shim's.
    variable(root, "MokSBStateRT", bytes_from({1}), 7);
    CHECK(survey_mok(certificate_of(), kernel_with(), root.path()).secure_boot);
    // Shim's table of variables has no attributes.
    root.file("sys/firmware/efi/mok-variables/MokSBStateRT", "\1");
    variable(root, "MokSBStateRT", bytes_from({0}));
    CHECK_FALSE(survey_mok(certificate_of(), kernel_with(), root.path()).secure_boot);
}

TEST_CASE("certificates that do not suit the kernel", "[mok]") {
    const UsualMachine root;
    const KernelCertificate p384 = KernelCertificate::parse(certificate_der(ec_sample().certificate.get()), "MOK");
    CHECK(mentions(reasons(survey_mok(p384, kernel_with(), root.path())), "CONFIG_CRYPTO_ECDSA is not set"));
    const KernelFacts suse = kernel_with(usual_config + "CONFIG_CHECK_CODESIGN_EKU=y\n");
    CHECK(mentions(reasons(survey_mok(certificate_of(), suse, root.path())), "ksign keys generate --code-signing"));
    CHECK(mentions(
        reasons(survey_mok(certificate_of({.extensions = {{NID_ext_key_usage, "serverAuth"}}}), suse, root.path())),
        "codeSigning"));
    CHECK(reasons(survey_mok(certificate_of({.extensions = {{NID_ext_key_usage, "codeSigning"}}}), suse, root.path()))
              .empty());
    CHECK(mentions(
        reasons(survey_mok(certificate_of(), kernel_with("CONFIG_MODULE_SIG=y\nCONFIG_CRYPTO_RSA=y\n"), root.path())),
        "CONFIG_LOAD_UEFI_KEYS is not set"));
}

TEST_CASE("the certificate in DER is written once, and over no other thing", "[mok]") {
    const KernelRoot root;
    const KernelCertificate certificate = certificate_of();
    CHECK(write_mok_certificate(certificate, root / "MOK.der"));
    CHECK_FALSE(write_mok_certificate(certificate, root / "MOK.der"));
    CHECK(load_mok_certificate((root / "MOK.der").string()).fingerprint() == certificate.fingerprint());
    const KernelCertificate other = certificate_of({.serial = "77"});
    const Error error = error_of([&] { static_cast<void>(write_mok_certificate(other, root / "MOK.der")); });
    CHECK(error.code() == ErrorCode::certificate);
    CHECK(mentions(error.reason(), "holds another certificate (" + certificate.name() + ", serial "));
    CHECK(load_mok_certificate((root / "MOK.der").string()).fingerprint() == certificate.fingerprint());
    for (const std::string& content : {text_of(key_pem(rsa_sample().key.get())),
                                       text_of(certificate_pem(rsa_sample().certificate.get())), std::string()}) {
        root.file("key.der", content);
        CHECK(error_of([&] { static_cast<void>(write_mok_certificate(certificate, root / "key.der")); }).code() ==
              ErrorCode::certificate);
        CHECK(text_of(read_file(root / "key.der")) == content);
    }
}
