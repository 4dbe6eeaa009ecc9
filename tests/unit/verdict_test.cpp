#include <ksign/verdict.hpp>

#include "catch.hpp"
#include "cms.hpp"
#include "compressed_sample.hpp"
#include "elf_sample.hpp"
#include "expect_error.hpp"
#include "handed_module.hpp"
#include "kernel_crypto.hpp"
#include "key_sample.hpp"
#include "module_signature.hpp"
#include "pkcs7.hpp"

#include <cerrno>

using namespace ksign;
using namespace ksign::test;

namespace {

KernelCertificate certificate_of(const KeySample& sample) {
    return KernelCertificate::parse(certificate_der(sample.certificate.get()), "test");
}

TrustedKeys trusting(const std::vector<KeySample>& samples, Keyring keyring = Keyring::builtin) {
    TrustedKeys keys;
    for (const KeySample& sample : samples) {
        keys.add({certificate_of(sample), keyring, "the test's"});
    }
    return keys;
}

/// What a kernel's configuration has unless a test takes it away.
const std::string usual_config =
    "CONFIG_MODULE_SIG=y\nCONFIG_CRYPTO_RSA=y\nCONFIG_CRYPTO_ECDSA=y\nCONFIG_CRYPTO_SHA256=y\n"
    "CONFIG_CRYPTO_SHA512=y\nCONFIG_CRYPTO_SHA3=y\nCONFIG_SECONDARY_TRUSTED_KEYRING=y\n"
    "CONFIG_INTEGRITY_PLATFORM_KEYRING=y\nCONFIG_SYSTEM_REVOCATION_LIST=y\n";

KernelFacts facts_with(const std::string& without = {}, const std::string& more = {}) {
    std::string text = usual_config;
    if (!without.empty()) {
        const std::size_t at = text.find("CONFIG_" + without + "=");
        text.erase(at, text.find('\n', at) + 1 - at);
    }
    KernelFacts facts;
    facts.release = "6.12.1";
    facts.config = KernelConfig::parse(text + more, "config");
    return facts;
}

Bytes digest_of(HashAlgorithm hash, ByteView bytes) {
    Digest digest(hash);
    digest.update(bytes);
    return digest.finish();
}

Bytes signed_module(const KeySample& sample, HashAlgorithm hash = HashAlgorithm::sha512, const SignatureForm& form = {},
                    const Bytes& payload = make_module()) {
    return joined({payload, make_tail(sign_digest(signer_of(sample), hash, digest_of(hash, payload), form))});
}

Verdict verdict_on(const Bytes& module, const TrustedKeys& keys, KernelFacts facts = facts_with()) {
    const TemporaryFolder folder;
    write_file(folder / "a-b.ko", module);
    return Judge(std::move(facts), keys).judge(folder / "a-b.ko");
}

void check_refused(const Verdict& verdict, int error, const std::string& name, const std::string& rule,
                   const std::string& console) {
    CHECK(answer_name(verdict.answer) == "refused");
    CHECK(verdict.error == error);
    CHECK(verdict.error_name == name);
    CHECK(verdict.rule == rule);
    CHECK(verdict.console == console);
    CHECK_FALSE(verdict.error_text.empty());
    CHECK_FALSE(verdict.reason.empty());
    CHECK_FALSE(verdict.remedy.empty());
}

const char* const unsigned_line = "Loading of unsigned module is rejected";
const char* const unsupported_line = "Loading of module with unsupported crypto is rejected";
const char* const unavailable_line = "Loading of module with unavailable key is rejected";

/// A certificate of a key that another key has signed.
KeySample issued_by(const KeySample& issuer, KeyPointer key, const std::string& name) {
    CertificateForm form;
    form.common_name = name;
    form.serial = "77";
    KeySample sample = make_sample(std::move(key), form);
    X509_set_issuer_name(sample.certificate.get(), X509_get_subject_name(issuer.certificate.get()));
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer.certificate.get(), sample.certificate.get(), nullptr, nullptr, 0);
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, NID_authority_key_identifier, "keyid:always");
    openssl_expect(extension);
    X509_add_ext(sample.certificate.get(), extension, -1);
    X509_EXTENSION_free(extension);
    openssl_expect(X509_sign(sample.certificate.get(), issuer.key.get(), EVP_sha256()));
    return sample;
}

/// A CMS message by OpenSSL's own means, for what ksign never makes.
Bytes cms_by_openssl(const KeySample& sample, ByteView content, unsigned flags, bool with_capabilities = false) {
    const std::unique_ptr<BIO, decltype(&BIO_free_all)> data(
        BIO_new_mem_buf(content.data(), static_cast<int>(content.size())), BIO_free_all);
    const std::unique_ptr<CMS_ContentInfo, decltype(&CMS_ContentInfo_free)> cms(
        openssl_expect(CMS_sign(sample.certificate.get(), sample.key.get(), nullptr, data.get(),
                                flags | CMS_BINARY | (with_capabilities ? 0U : CMS_NOSMIMECAP))),
        CMS_ContentInfo_free);
    unsigned char* encoded = nullptr;
    const int size = i2d_CMS_ContentInfo(cms.get(), &encoded);
    const auto* start = reinterpret_cast<const std::byte*>(encoded);
    Bytes bytes(start, start + size);
    OPENSSL_free(encoded);
    return bytes;
}

} // namespace

TEST_CASE("a module with a right signature by a trusted key loads", "[verdict]") {
    for (const KeySample& sample : {rsa_sample(), ec_sample("P-256"), ec_sample("P-384"), ec_sample("P-521")}) {
        for (const HashAlgorithm hash :
             {HashAlgorithm::sha1, HashAlgorithm::sha256, HashAlgorithm::sha384, HashAlgorithm::sha512}) {
            const Verdict verdict =
                verdict_on(signed_module(sample, hash), trusting({sample}), facts_with({}, "CONFIG_CRYPTO_SHA1=y\n"));
            CHECK(verdict.answer == Answer::loads);
            CHECK(verdict.error == 0);
            CHECK(verdict.key == "ksign test key");
            CHECK(verdict.trust_origin == "the test's");
            CHECK(verdict.hash == hash_name(hash));
            CHECK(verdict.keyring == Keyring::builtin);
        }
    }
    SignatureForm by_key_id;
    by_key_id.by_key_id = true;
    const Verdict verdict =
        verdict_on(signed_module(rsa_sample(), HashAlgorithm::sha512, by_key_id), trusting({rsa_sample()}));
    CHECK(verdict.answer == Answer::loads);
    CHECK(verdict.signer == "ksign test key");
    CHECK(verdict.serial == certificate_of(rsa_sample()).key_id());
}

TEST_CASE("SHA-3 is verified from Linux 6.7 on", "[verdict]") {
    const Bytes module = signed_module(rsa_sample(), HashAlgorithm::sha3_512);
    CHECK(verdict_on(module, trusting({rsa_sample()})).answer == Answer::loads);
    KernelFacts old = facts_with();
    old.release = "6.1.0-56-amd64";
    const Verdict verdict = verdict_on(module, trusting({rsa_sample()}), old);
    check_refused(verdict, EKEYREJECTED, "EKEYREJECTED", "pkcs7_sig_note_digest_algo", unsupported_line);
    CHECK(verdict.signer == "ksign test key");
    // Without a release, by what the configuration says at its top.
    KernelFacts unnamed;
    unnamed.config = KernelConfig::parse("# Linux/x86 6.1.192 Kernel Configuration\n" + usual_config, "config");
    check_refused(verdict_on(module, trusting({rsa_sample()}), unnamed), EKEYREJECTED, "EKEYREJECTED",
                  "pkcs7_sig_note_digest_algo", unsupported_line);
    unnamed.config = KernelConfig::parse(usual_config, "config");
    CHECK(verdict_on(module, trusting({rsa_sample()}), unnamed).answer == Answer::loads);
}

TEST_CASE("a kernel that does not trust its own key: signing with that is no remedy", "[verdict]") {
    KernelFacts facts = facts_with();
    facts.untrusted_signing_key = "certs-local of kernel 6.1";
    for (const Bytes& module : {signed_module(rsa_sample(), HashAlgorithm::sha512), make_module()}) {
        CHECK(mentions(verdict_on(module, trusting({})).remedy, "sign it with: ksign sign"));
        const Verdict verdict = verdict_on(module, trusting({}), facts);
        CHECK(verdict.answer == Answer::refused);
        CHECK(mentions(verdict.remedy, "does not trust its own key (certs-local of kernel 6.1), so signing with that"));
        CHECK_FALSE(mentions(verdict.remedy, "sign it with"));
    }
}

TEST_CASE("an unsigned module: refused where enforced or locked down, else it taints", "[verdict]") {
    const Verdict enforced = verdict_on(make_module(), trusting({}));
    check_refused(enforced, EKEYREJECTED, "EKEYREJECTED", "module_sig_check", unsigned_line);
    CHECK(enforced.error_text == "Key was rejected by service");
    CHECK(mentions(enforced.remedy, "sign it with: ksign sign --key KEY --certificate CERTIFICATE /"));

    KernelFacts facts = facts_with();
    facts.enforced = false;
    const Verdict taints = verdict_on(make_module(), trusting({}), facts);
    CHECK(taints.answer == Answer::taints);
    CHECK(taints.error_name.empty());
    CHECK(taints.console == "a_b: module verification failed: signature and/or required key missing - tainting kernel");

    for (const Lockdown lockdown : {Lockdown::integrity, Lockdown::confidentiality}) {
        facts.lockdown = lockdown;
        check_refused(verdict_on(make_module(), trusting({}), facts), EPERM, "EPERM", "module_sig_check",
                      "unsigned module loading is restricted; see man kernel_lockdown.7");
    }
    // Enforcement comes before lockdown.
    facts.enforced = true;
    CHECK(verdict_on(make_module(), trusting({}), facts).error == EKEYREJECTED);

    KernelFacts forced = facts_with({}, "CONFIG_MODULE_SIG_FORCE=y\n");
    forced.enforced = false;
    const Verdict always = verdict_on(make_module(), trusting({}), forced);
    CHECK(always.error == EKEYREJECTED);
    CHECK(always.warnings.size() == 1);
}

TEST_CASE("a key that no keyring holds", "[verdict]") {
    const Bytes module = signed_module(ec_sample());
    const Verdict verdict = verdict_on(module, trusting({rsa_sample()}));
    // The same name and serial number, another key: that one is tried, and fails.
    check_refused(verdict, EKEYREJECTED, "EKEYREJECTED", "public_key_verify_signature", "");

    CertificateForm form;
    form.common_name = "somebody else";
    form.serial = "55";
    const KeySample stranger = make_sample(make_ec_key("P-256"), form);
    const Verdict unknown = verdict_on(signed_module(stranger), trusting({rsa_sample()}));
    check_refused(unknown, EKEYREJECTED, "EKEYREJECTED", "pkcs7_validate_trust", unavailable_line);
    CHECK(unknown.reason == "signed by somebody else (serial 55), which no keyring of kernel 6.12.1 holds");
    CHECK(unknown.signer == "somebody else");

    KernelFacts facts = facts_with();
    facts.enforced = false;
    CHECK(verdict_on(signed_module(stranger), trusting({rsa_sample()}), facts).answer == Answer::taints);
}

TEST_CASE("a wrong signature is refused whether enforced or not", "[verdict]") {
    Bytes module = signed_module(rsa_sample());
    SECTION("a byte of the module changed") {
        module[500] ^= std::byte{1};
    }
    SECTION("a byte of the signature's value changed") {
        module[module.size() - trailer_size - 20] ^= std::byte{1};
    }
    SECTION("another key of that name") {
        module = signed_module(other_rsa_sample());
    }
    SECTION("a stacked signature, the lower one right") {
        const Bytes payload = signed_module(rsa_sample());
        module = joined({payload, make_tail(sign_digest(signer_of(rsa_sample()), HashAlgorithm::sha512,
                                                        digest_of(HashAlgorithm::sha512, make_module()), {}))});
    }
    for (const bool enforced : {true, false}) {
        KernelFacts facts = facts_with();
        facts.enforced = enforced;
        check_refused(verdict_on(module, trusting({rsa_sample()}), facts), EKEYREJECTED, "EKEYREJECTED",
                      "public_key_verify_signature", "");
    }
}

TEST_CASE("stacked signatures: the last counts, over all that stands before it", "[verdict]") {
    const Bytes below = signed_module(ec_sample());
    CHECK(verdict_on(signed_module(rsa_sample(), HashAlgorithm::sha256, {}, below), trusting({rsa_sample()})).answer ==
          Answer::loads);
}

TEST_CASE("a broken trailer", "[verdict]") {
    const Bytes right = signed_module(rsa_sample());
    const auto with = [&right](std::size_t offset, unsigned value) {
        Bytes changed = right;
        changed[right.size() - trailer_size + offset] = static_cast<std::byte>(value);
        return verdict_on(changed, trusting({rsa_sample()}));
    };
    check_refused(with(8, 0x7f), EBADMSG, "EBADMSG", "mod_check_sig", "");
    check_refused(with(0, 1), EBADMSG, "EBADMSG", "mod_check_sig",
                  "module: PKCS#7 signature info has unexpected non-zero params");
    check_refused(with(2, 1), EKEYREJECTED, "EKEYREJECTED", "mod_check_sig",
                  "module: not signed with expected PKCS#7 message\n" + std::string(unsupported_line));
    // A length that does not lead to the message's start.
    check_refused(with(11, 1), EBADMSG, "EBADMSG", "asn1_ber_decoder", "");
    // A marker and nothing else.
    check_refused(verdict_on(bytes_of(signature_marker), trusting({})), EKEYREJECTED, "EKEYREJECTED",
                  "module_sig_check", unsigned_line);
    check_refused(verdict_on(joined({Bytes(12), bytes_of(signature_marker)}), trusting({})), EBADMSG, "EBADMSG",
                  "mod_verify_sig", "");
    // More than the kernel's parser takes, with as many bytes there.
    const auto large = make_trailer(70000);
    check_refused(verdict_on(joined({make_module(), Bytes(70000), Bytes(large.begin(), large.end())}), trusting({})),
                  EMSGSIZE, "EMSGSIZE", "asn1_ber_decoder", "");
    Bytes cut = right;
    cut.pop_back();
    check_refused(verdict_on(cut, trusting({rsa_sample()})), EKEYREJECTED, "EKEYREJECTED", "module_sig_check",
                  unsigned_line);
}

TEST_CASE("what a kernel's configuration leaves out", "[verdict]") {
    // The self-signed certificate of a key whose algorithm is missing can't be loaded: x509_check_for_self_signed().
    const Verdict no_ecdsa =
        verdict_on(signed_module(ec_sample()), trusting({ec_sample()}), facts_with("CRYPTO_ECDSA"));
    check_refused(no_ecdsa, EKEYREJECTED, "EKEYREJECTED", "pkcs7_validate_trust", unavailable_line);
    CHECK(mentions(no_ecdsa.reason, "CONFIG_CRYPTO_ECDSA is not set"));
    // One that another key has signed is loaded, and then fails: crypto_alloc_akcipher() gives ENOENT.
    const KeySample issued = issued_by(rsa_sample(), make_ec_key("P-256"), "issued");
    const Verdict late = verdict_on(signed_module(issued), trusting({issued}), facts_with("CRYPTO_ECDSA"));
    check_refused(late, EKEYREJECTED, "EKEYREJECTED", "public_key_verify_signature", "");

    const Verdict no_hash =
        verdict_on(signed_module(rsa_sample()), trusting({rsa_sample()}), facts_with("CRYPTO_SHA512"));
    check_refused(no_hash, EKEYREJECTED, "EKEYREJECTED", "pkcs7_digest", unsupported_line);
    CHECK(mentions(no_hash.reason, "sha512"));
    // The hash of its own modules it has, whatever the option is called.
    CHECK(verdict_on(signed_module(rsa_sample()), trusting({rsa_sample()}),
                     facts_with("CRYPTO_SHA512", "CONFIG_MODULE_SIG_HASH=\"sha512\"\n"))
              .answer == Answer::loads);
    const Verdict as_module = verdict_on(signed_module(rsa_sample()), trusting({rsa_sample()}),
                                         facts_with("CRYPTO_SHA512", "CONFIG_CRYPTO_SHA512=m\n"));
    CHECK(as_module.answer == Answer::loads);
    REQUIRE(as_module.warnings.size() == 1);
    CHECK(mentions(as_module.warnings[0], "CONFIG_CRYPTO_SHA512 is m"));

    const Verdict unchecked = verdict_on(signed_module(ec_sample()), trusting({}), facts_with("MODULE_SIG"));
    CHECK(unchecked.answer == Answer::loads);
    CHECK(unchecked.rule == "CONFIG_MODULE_SIG");

    KernelFacts old = facts_with();
    old.release = "6.1.0";
    CHECK(verdict_on(signed_module(ec_sample("P-521")), trusting({ec_sample("P-521")}), old).console ==
          unavailable_line);
}

TEST_CASE("keys that no kernel loads", "[verdict]") {
    // The signer's name and serial number are those of both.
    const Verdict verdict = verdict_on(signed_module(rsa_sample()), trusting({make_sample(make_rsa_key(2560))}));
    CHECK(verdict.console == unavailable_line);
    CHECK(mentions(verdict.reason, "RSA keys of 2560 bits"));
}

TEST_CASE("keyrings: which of them count for modules", "[verdict]") {
    const Bytes module = signed_module(rsa_sample());
    for (const Keyring keyring : {Keyring::secondary, Keyring::machine}) {
        CHECK(verdict_on(module, trusting({rsa_sample()}, keyring)).keyring == keyring);
        const Verdict builtin_only =
            verdict_on(module, trusting({rsa_sample()}, keyring), facts_with("SECONDARY_TRUSTED_KEYRING"));
        CHECK(builtin_only.console == unavailable_line);
        CHECK(mentions(builtin_only.reason, "CONFIG_SECONDARY_TRUSTED_KEYRING"));
    }
    const TrustedKeys platform = trusting({rsa_sample()}, Keyring::platform);
    const Verdict mainline = verdict_on(module, platform);
    CHECK(mainline.console == unavailable_line);
    CHECK(mentions(mainline.reason, "it is in .platform, where this kernel does not look"));
    // Enrolling it once more would not help.
    CHECK(mentions(mainline.remedy, "ksign keys enroll CERTIFICATE"));
    CHECK_FALSE(mentions(mainline.remedy, "as a machine owner key"));
    CHECK(mentions(verdict_on(module, {}).remedy, "enroll its certificate as a machine owner key"));
    KernelFacts debian = facts_with();
    debian.banner = "Linux version 6.1.0-56-amd64 (debian-kernel@lists.debian.org) (gcc-12)";
    CHECK(verdict_on(module, platform, debian).keyring == Keyring::platform);
    KernelFacts without = facts_with("INTEGRITY_PLATFORM_KEYRING");
    without.banner = debian.banner;
    CHECK(verdict_on(module, platform, without).console == unavailable_line);
}

TEST_CASE("SUSE's kernels want keys for code signing", "[verdict]") {
    const KernelFacts suse = facts_with({}, "CONFIG_CHECK_CODESIGN_EKU=y\n");
    const Bytes module = signed_module(rsa_sample());
    const Verdict plain = verdict_on(module, trusting({rsa_sample()}), suse);
    check_refused(plain, EKEYREJECTED, "EKEYREJECTED", "pkcs7_validate_trust", unavailable_line);
    CHECK(mentions(plain.reason, "CONFIG_CHECK_CODESIGN_EKU"));
    const KeySample coded = make_sample(make_rsa_key(), {.extensions = {{NID_ext_key_usage, "codeSigning"}}});
    CHECK(verdict_on(signed_module(coded), trusting({coded}), suse).answer == Answer::loads);
}

TEST_CASE("revoked keys", "[verdict]") {
    TrustedKeys keys = trusting({rsa_sample()});
    keys.add({certificate_of(rsa_sample()), Keyring::revoked, "revoked by the test"});
    check_refused(verdict_on(signed_module(rsa_sample()), keys), EKEYREJECTED, "EKEYREJECTED",
                  "is_key_on_revocation_list", "");
    CHECK(verdict_on(signed_module(rsa_sample()), keys, facts_with("SYSTEM_REVOCATION_LIST")).answer == Answer::loads);
    // Before 6.6, the list was asked about .platform's keys only.
    KernelFacts older = facts_with();
    older.release = "6.5.13";
    const Verdict taken = verdict_on(signed_module(rsa_sample()), keys, older);
    CHECK(taken.answer == Answer::loads);
    REQUIRE(taken.warnings.size() == 1);
    CHECK(mentions(taken.warnings[0], "revoked"));
    TrustedKeys platform;
    platform.add({certificate_of(rsa_sample()), Keyring::platform, "db"});
    platform.add({certificate_of(rsa_sample()), Keyring::revoked, "dbx"});
    older = facts_with({}, "CONFIG_INTEGRITY_PLATFORM_KEYRING=y\n");
    older.release = "6.5.13";
    older.banner = "Linux version 6.5.13 (debian-kernel@lists.debian.org)";
    check_refused(verdict_on(signed_module(rsa_sample()), platform, older), EKEYREJECTED, "EKEYREJECTED",
                  "is_key_on_revocation_list", "");
    // By hash: the certificate is not loaded at all.
    TrustedKeys hashed = trusting({rsa_sample()});
    unsigned char* signed_part = nullptr;
    const int size = i2d_re_X509_tbs(rsa_sample().certificate.get(), &signed_part);
    REQUIRE(size > 0);
    const Bytes hash = digest_of(HashAlgorithm::sha256,
                                 {reinterpret_cast<const std::byte*>(signed_part), static_cast<std::size_t>(size)});
    OPENSSL_free(signed_part);
    hashed.revoked_hashes = {hash};
    const Verdict verdict = verdict_on(signed_module(rsa_sample()), hashed);
    CHECK(verdict.console == unavailable_line);
    CHECK(mentions(verdict.reason, "revoked"));
    // As UEFI has it, with a time of revocation: "tbs:" and 96 digits, which no certificate has.
    hashed.revoked_hashes = {joined({hash, Bytes(16)})};
    const Verdict unnoticed = verdict_on(signed_module(rsa_sample()), hashed);
    CHECK(unnoticed.answer == Answer::loads);
    REQUIRE(unnoticed.warnings.size() == 1);
    CHECK(mentions(unnoticed.warnings[0], "which kernels do not notice"));
}

TEST_CASE("a certificate is revoked by the hash that it is signed with, from Linux 7.0 by SHA-256", "[verdict]") {
    const CertificatePointer certificate = make_certificate(rsa_sample().key.get(), {.hash = "SHA512"});
    const KernelCertificate parsed = KernelCertificate::parse(certificate_der(certificate.get()), "test");
    const auto digest = [&parsed](KernelVersion version) {
        return KernelCrypto(version, std::nullopt).revocation_digest(parsed).size();
    };
    CHECK(digest({6, 19}) == 64);
    CHECK(digest({7, 0}) == 32);
}

TEST_CASE("certificates in the signature", "[verdict]") {
    SignatureForm with_certificate;
    with_certificate.include_certificate = true;
    const Bytes own = signed_module(rsa_sample(), HashAlgorithm::sha256, with_certificate);
    CHECK(verdict_on(own, trusting({rsa_sample()})).answer == Answer::loads);
    CHECK(verdict_on(own, trusting({})).console == unavailable_line);
    // The kernel checks with it first: what does not fit is fatal although nobody knows the key.
    Bytes changed = own;
    changed[500] ^= std::byte{1};
    check_refused(verdict_on(changed, trusting({})), EKEYREJECTED, "EKEYREJECTED", "public_key_verify_signature", "");
    // A key that is signed by a trusted one.
    const KeySample issued = issued_by(rsa_sample(), make_ec_key("P-256"), "issued");
    const Bytes by_issued = signed_module(issued, HashAlgorithm::sha256, with_certificate);
    const Verdict verdict = verdict_on(by_issued, trusting({rsa_sample()}));
    CHECK(verdict.answer == Answer::loads);
    CHECK(verdict.signer == "ksign test key");
    CHECK(verdict_on(signed_module(issued), trusting({rsa_sample()})).console == unavailable_line);
    // One that the kernel can't even parse: ENOENT comes through as it is.
    check_refused(verdict_on(signed_module(ec_sample(), HashAlgorithm::sha256, with_certificate), trusting({}),
                             facts_with("CRYPTO_ECDSA")),
                  ENOENT, "ENOENT", "x509_check_for_self_signed", "");
}

TEST_CASE("messages that are good CMS and no module's signature", "[verdict]") {
    const Bytes payload = make_module();
    const auto module = [&payload](const Bytes& cms) { return joined({payload, make_tail(cms)}); };
    const Verdict attributes =
        verdict_on(module(cms_by_openssl(rsa_sample(), payload, CMS_DETACHED | CMS_NOCERTS)), trusting({rsa_sample()}));
    check_refused(attributes, EKEYREJECTED, "EKEYREJECTED", "pkcs7_verify",
                  "PKCS7: Invalid module sig (has authattrs)");
    // As `openssl cms -sign` makes it, with S/MIME capabilities; -nosmimecap leaves them out.
    check_refused(verdict_on(module(cms_by_openssl(rsa_sample(), payload, CMS_DETACHED | CMS_NOCERTS, true)),
                             trusting({rsa_sample()})),
                  EKEYREJECTED, "EKEYREJECTED", "pkcs7_sig_note_authenticated_attr",
                  "PKCS7: S/MIME Caps only allowed with Authenticode");
    const Verdict content =
        verdict_on(module(cms_by_openssl(rsa_sample(), payload, CMS_NOATTR | CMS_NOCERTS)), trusting({rsa_sample()}));
    check_refused(content, EBADMSG, "EBADMSG", "verify_pkcs7_message_sig", "PKCS#7 signature with non-detached data");
    CHECK(verdict_on(module(cms_by_openssl(rsa_sample(), payload, CMS_DETACHED | CMS_NOATTR | CMS_NOCERTS)),
                     trusting({rsa_sample()}))
              .answer == Answer::loads);
    check_refused(verdict_on(module(bytes_from({0x30, 0x03, 0x02, 0x01, 0x05})), trusting({})), EBADMSG, "EBADMSG",
                  "asn1_ber_decoder", "");
}

TEST_CASE("compressed modules, by who decompresses them", "[verdict]") {
    const Bytes module = signed_module(rsa_sample(), HashAlgorithm::sha256);
    const TrustedKeys keys = trusting({rsa_sample()});
    const auto answer = [&keys](const Bytes& file, LoadMethod method, const std::string& more) {
        KernelFacts facts = facts_with({}, more);
        facts.method = method;
        return verdict_on(file, keys, facts);
    };
    const std::string xz = "CONFIG_MODULE_DECOMPRESS=y\nCONFIG_MODULE_COMPRESS_XZ=y\n";
    const std::string zstd = "CONFIG_MODULE_DECOMPRESS=y\nCONFIG_MODULE_COMPRESS_ZSTD=y\n";
    const std::string gzip = "CONFIG_MODULE_DECOMPRESS=y\nCONFIG_MODULE_COMPRESS_GZIP=y\n";
    for (const Bytes& file : {module, make_gzip(module), make_xz(module), make_zstd(module)}) {
        CHECK(answer(file, LoadMethod::modprobe, {}).answer == Answer::loads);
        CHECK(answer(file, LoadMethod::modprobe, xz).answer == Answer::loads);
    }
    CHECK(answer(make_xz(module), LoadMethod::kernel, xz).answer == Answer::loads);
    CHECK(answer(make_zstd(module), LoadMethod::kernel, zstd).answer == Answer::loads);
    CHECK(answer(make_gzip(module), LoadMethod::kernel, gzip).answer == Answer::loads);
    check_refused(answer(make_zstd(module), LoadMethod::kernel, xz), EINVAL, "EINVAL", "module_decompress",
                  "not an xz compressed module");
    check_refused(answer(module, LoadMethod::kernel, zstd), EINVAL, "EINVAL", "module_decompress",
                  "not a zstd compressed module");
    check_refused(answer(make_xz(module), LoadMethod::kernel, {}), EOPNOTSUPP, "EOPNOTSUPP", "module_decompress", "");

    const Bytes crc64 = make_xz(module, {LZMA_CHECK_CRC64});
    for (const LoadMethod method : {LoadMethod::kernel, LoadMethod::modprobe}) {
        check_refused(answer(crc64, method, xz), EINVAL, "EINVAL", "module_xz_decompress",
                      "decompression failed with status 6");
    }
    CHECK(answer(crc64, LoadMethod::modprobe, zstd).answer == Answer::loads);
    KernelFacts before_31 = facts_with({}, xz);
    before_31.kmod_decompresses = true;
    const Verdict by_older_kmod = verdict_on(crc64, keys, before_31);
    CHECK(by_older_kmod.answer == Answer::loads);
    REQUIRE(by_older_kmod.warnings.size() == 1);
    CHECK(mentions(by_older_kmod.warnings[0], "kmod 31"));
    // A branch filter is read where the kernel has it.
    XzForm first_block;
    first_block.x86_filter = true;
    XzForm second_block;
    second_block.block_size = 1000;
    second_block.x86_from_second = true;
    for (const Bytes& file : {make_xz(module, first_block), make_xz(module, second_block)}) {
        for (const LoadMethod method : {LoadMethod::kernel, LoadMethod::modprobe}) {
            check_refused(answer(file, method, xz), EINVAL, "EINVAL", "module_xz_decompress",
                          "decompression failed with status 6");
            const Verdict verdict = answer(file, method, xz + "CONFIG_XZ_DEC_X86=y\n");
            CHECK(verdict.answer == Answer::loads);
            CHECK(verdict.warnings.empty());
        }
    }
    const Bytes no_size = make_zstd(module, {3, false});
    CHECK(answer(no_size, LoadMethod::kernel, zstd).answer == Answer::loads);
    const Verdict by_kmod = answer(no_size, LoadMethod::modprobe, xz);
    CHECK(by_kmod.answer == Answer::loads);
    REQUIRE(by_kmod.warnings.size() == 1);
    CHECK(mentions(by_kmod.warnings[0], "kmod 34"));
    const Bytes two = joined({make_zstd(prefix_of(module, 1000)), make_zstd(ByteView(module).subspan(1000))});
    check_refused(answer(two, LoadMethod::kernel, zstd), EKEYREJECTED, "EKEYREJECTED", "module_sig_check",
                  unsigned_line);
    const Verdict two_by_kmod = answer(two, LoadMethod::modprobe, {});
    CHECK(two_by_kmod.answer == Answer::loads);
    REQUIRE(two_by_kmod.warnings.size() == 1);
    CHECK(two_by_kmod.warnings[0] ==
          "2 zstd frames, where the kernel and kmod want one: kmod 34 and newer can't read it");
    check_refused(answer(joined({make_skippable_frame(4), make_zstd(module)}), LoadMethod::kernel, zstd), EINVAL,
                  "EINVAL", "module_zstd_decompress", "not a zstd compressed module");
    // kmod does not see that it is zstd.
    for (const std::string& config : {zstd, xz, std::string()}) {
        const Bytes file = joined({make_skippable_frame(4), make_zstd(module)});
        const Verdict verdict = answer(file, LoadMethod::modprobe, config);
        check_refused(verdict, EKEYREJECTED, "EKEYREJECTED", "module_sig_check", unsigned_line);
        REQUIRE(verdict.warnings.size() == 1);
        CHECK(mentions(verdict.warnings[0], "it starts with a skippable zstd frame: kmod takes it for"));
        KernelFacts lax = facts_with({}, config);
        lax.enforced = false;
        CHECK(verdict_on(file, keys, lax).error == ENOEXEC);
    }
    CHECK(answer(joined({make_zstd(module), make_skippable_frame(4)}), LoadMethod::modprobe, {}).warnings.empty());
    CHECK(answer(joined({make_zstd(module), make_skippable_frame(4)}), LoadMethod::kernel, zstd).answer ==
          Answer::loads);
    // What follows is not the kernel's: a signature appended to the compressed file least of all.
    const Bytes unsigned_module = make_module();
    const ByteView signature = ByteView(module).subspan(unsigned_module.size());
    const Bytes tail(signature.begin(), signature.end());
    for (const auto& [file, config] : {std::pair{make_zstd(unsigned_module), zstd},
                                       {make_gzip(unsigned_module), gzip},
                                       {make_xz(unsigned_module), xz}}) {
        const Verdict verdict = answer(joined({file, tail}), LoadMethod::kernel, config);
        check_refused(verdict, EKEYREJECTED, "EKEYREJECTED", "module_sig_check", unsigned_line);
        CHECK(mentions(verdict.reason, "as far as the kernel reads it"));
    }
    for (const auto& [file, config] :
         {std::pair{make_zstd(module), zstd}, {make_gzip(module), gzip}, {make_xz(module), xz}}) {
        CHECK(answer(joined({file, bytes_of("garbage")}), LoadMethod::kernel, config).answer == Answer::loads);
    }
    GzipForm comment;
    comment.comment = "why";
    check_refused(answer(make_gzip(module, comment), LoadMethod::kernel, gzip), EINVAL, "EINVAL",
                  "module_gzip_decompress", "");
    // The bytes as they are: no kernel sees a signature in a compressed file.
    check_refused(answer(make_xz(module), LoadMethod::plain, xz), EKEYREJECTED, "EKEYREJECTED", "module_sig_check",
                  unsigned_line);
    check_refused(answer(prefix_of(make_xz(module), 900), LoadMethod::modprobe, {}), EINVAL, "EINVAL", "kmod", "");
    // The hash was guessed wrong: what was decoded is digested anew.
    CHECK(answer(make_zstd(signed_module(rsa_sample(), HashAlgorithm::sha384)), LoadMethod::modprobe, {}).answer ==
          Answer::loads);
    // A module larger than what is held back of it.
    const Bytes large = signed_module(rsa_sample(), HashAlgorithm::sha256, {}, make_module(700000));
    for (const Bytes& file : {large, make_gzip(large), make_zstd(large)}) {
        CHECK(answer(file, LoadMethod::modprobe, {}).answer == Answer::loads);
    }
}

TEST_CASE("what is signed right and is no module gets ENOEXEC", "[verdict]") {
    const Bytes text = bytes_of("#!/bin/sh\necho a script, and not a module of whatever size it may have to have\n");
    KernelFacts facts = facts_with();
    check_refused(verdict_on(signed_module(rsa_sample(), HashAlgorithm::sha256, {}, text), trusting({rsa_sample()})),
                  ENOEXEC, "ENOEXEC", "elf_validity_check", "");
    CHECK(verdict_on(text, trusting({})).error == EKEYREJECTED);
    facts.enforced = false;
    CHECK(verdict_on(text, trusting({}), facts).error == ENOEXEC);
}

TEST_CASE("a module of another kernel is a warning of its own", "[verdict]") {
    ElfForm form;
    const Bytes content = joined(
        {compressible_bytes(300000), bytes_of(std::string_view("\0vermagic=6.1.0 SMP preempt mod_unload \0", 41))});
    form.content = content;
    const Bytes module = signed_module(rsa_sample(), HashAlgorithm::sha256, {}, make_elf(form));
    const Verdict verdict = verdict_on(make_gzip(module), trusting({rsa_sample()}));
    CHECK(verdict.answer == Answer::loads);
    REQUIRE(verdict.warnings.size() == 1);
    CHECK(verdict.warnings[0] ==
          "it is built for kernel 6.1.0, not 6.12.1: without CONFIG_MODVERSIONS it is refused with "
          "ENOEXEC (version magic)");
    const Verdict versions =
        verdict_on(make_gzip(module), trusting({rsa_sample()}), facts_with({}, "CONFIG_MODVERSIONS=y\n"));
    REQUIRE(versions.warnings.size() == 1);
    CHECK(mentions(versions.warnings[0], "its symbols' versions decide"));
    KernelFacts same = facts_with();
    same.release = "6.1.0";
    CHECK(verdict_on(make_gzip(module), trusting({rsa_sample()}), same).warnings.empty());
}

TEST_CASE("a version magic that is cut in two by what a decoder gives at a time is read whole", "[verdict]") {
    KernelFacts facts = facts_with();
    facts.release = "6.1.0-56-amd64";
    const auto check = [&facts](ByteView magic, std::size_t position) {
        INFO(position);
        ElfForm form;
        const Bytes content =
            joined({compressible_bytes(position - sizeof(Elf64_Ehdr)), Bytes(magic.begin(), magic.end())});
        form.content = content;
        const Bytes module = signed_module(rsa_sample(), HashAlgorithm::sha256, {}, make_elf(form));
        for (const Bytes& file : {make_gzip(module), make_xz(module), make_zstd(module)}) {
            CHECK(verdict_on(file, trusting({rsa_sample()}), facts).warnings.empty());
        }
    };
    const Bytes magic = bytes_of(std::string_view("vermagic=6.1.0-56-amd64 SMP mod_unload \0", 40));
    for (const std::size_t before : {1U, 5U, 9U, 10U, 14U, 23U, 30U, 39U}) {
        check(magic, chunk_size - before);
    }
    // One without an end, and one without a value before it.
    check(joined({prefix_of(magic, magic.size() - 1), Bytes(300, std::byte{'x'})}), chunk_size - 14);
    check(joined({bytes_of(std::string_view("vermagic=\0", 10)), magic}), chunk_size - 24);
}

TEST_CASE("a module of another machine has that warning, too", "[verdict]") {
    for (const std::size_t before : {std::size_t{500}, std::size_t{300000}}) {
        const Bytes content =
            joined({compressible_bytes(before), bytes_of(std::string_view("\0vermagic=6.1.0 SMP \0", 22))});
        for (const auto& [is_64_bit, big_endian] : {std::pair{false, false}, {false, true}, {true, true}}) {
            ElfForm form;
            form.is_64_bit = is_64_bit;
            form.big_endian = big_endian;
            form.content = content;
            const Bytes module = signed_module(rsa_sample(), HashAlgorithm::sha256, {}, make_elf(form));
            for (const Bytes& file : {module, make_gzip(module)}) {
                const Verdict verdict = verdict_on(file, trusting({rsa_sample()}));
                CHECK(verdict.answer == Answer::loads);
                REQUIRE(verdict.warnings.size() == 1);
                CHECK(mentions(verdict.warnings[0], "it is built for kernel 6.1.0, not 6.12.1"));
            }
        }
    }
}

TEST_CASE("a module that becomes shorter while it is read is an error", "[verdict]") {
    const TemporaryFolder folder;
    for (const std::size_t size : {std::size_t{3000}, std::size_t{700000}}) {
        for (const std::size_t left : {std::size_t{0}, std::size_t{5}, std::size_t{2000}, size - 30}) {
            const auto path = folder / "m.ko";
            write_file(path, signed_module(rsa_sample(), HashAlgorithm::sha256, {}, make_module(size)));
            const InputFile file = InputFile::open(path);
            std::filesystem::resize_file(path, left);
            const Error error = error_of([&file] {
                HandedModule(file, codec_of(ContainerKind::plain), false, HashAlgorithm::sha256, usual_max_payload);
            });
            CHECK(error.code() == ErrorCode::system);
            CHECK(error.reason() == "became shorter while it was read");
        }
    }
}

TEST_CASE("without a configuration, the kernel is taken to have everything", "[verdict]") {
    KernelFacts facts;
    CHECK(verdict_on(signed_module(ec_sample()), trusting({ec_sample()}), facts).answer == Answer::loads);
    CHECK(verdict_on(signed_module(ec_sample()), trusting({}), facts).reason ==
          "signed by ksign test key (serial 1A:2B:3C:4D), and no certificate that this kernel trusts is known");
}

TEST_CASE("many modules are judged on several threads, and reported in order", "[verdict]") {
    const TemporaryFolder folder;
    std::vector<std::filesystem::path> modules;
    for (int number = 0; number < 60; ++number) {
        modules.push_back(folder / (std::to_string(number) + ".ko"));
        if (number != 7) {
            write_file(modules.back(), number % 3 == 0 ? make_module(2000U + 100U * static_cast<unsigned>(number))
                                                       : signed_module(rsa_sample()));
        }
    }
    const Judge judge(facts_with(), trusting({rsa_sample()}));
    for (const unsigned threads : {0U, 1U, 5U, 200U}) {
        std::size_t expected = 0;
        judge_all(judge, modules, threads, usual_max_payload, [&](std::size_t index, const JudgedModule& judged) {
            CHECK(index == expected++);
            CHECK(judged.error.has_value() == (index == 7));
            if (judged.verdict) {
                CHECK((judged.verdict->answer == Answer::refused) == (index % 3 == 0));
            }
        });
        CHECK(expected == modules.size());
    }
    // What the caller throws ends it, and the threads with it.
    CHECK_THROWS_AS(judge_all(judge, modules, 2, usual_max_payload,
                              [](std::size_t, const JudgedModule&) { throw std::runtime_error("enough"); }),
                    std::runtime_error);
    judge_all(judge, {}, 2, usual_max_payload, [](std::size_t, const JudgedModule&) { FAIL("there are none"); });
    CHECK(error_of([&] { static_cast<void>(judge.judge(modules[0], 100)); }).code() == ErrorCode::limit);
}

TEST_CASE("random changes of a signature never do more than refuse", "[verdict]") {
    SignatureForm with_certificate;
    with_certificate.include_certificate = true;
    const Bytes right = signed_module(rsa_sample(), HashAlgorithm::sha256, with_certificate);
    const std::size_t start = make_module().size();
    std::mt19937 engine(1);
    const TemporaryFolder folder;
    const Judge judge(facts_with(), trusting({rsa_sample()}));
    std::size_t loaded = 0;
    for (int round = 0; round < 1500; ++round) {
        Bytes changed = right;
        for (unsigned change = 0; change < 1 + engine() % 3; ++change) {
            changed[start + engine() % (right.size() - start)] = static_cast<std::byte>(engine() & 0xffU);
        }
        write_file(folder / "m.ko", changed);
        loaded += judge.judge(folder / "m.ko").answer == Answer::loads ? 1U : 0U;
    }
    // Some bytes of a message are looked at by nobody; most are.
    CHECK(loaded < 300);
}

TEST_CASE("where what a kernel trusts is not all known, nor is the verdict", "[verdict]") {
    const Bytes module = signed_module(rsa_sample());
    CertificateForm form;
    form.common_name = "another";
    form.serial = "77";
    const KeySample other = make_sample(make_ec_key("P-256"), form);
    TrustedKeys unread = trusting({other});
    unread.unread.emplace_back("/boot/vmlinuz: open: Permission denied");
    const Verdict verdict = verdict_on(module, unread);
    CHECK(answer_name(verdict.answer) == "unknown");
    CHECK(verdict.error == 0);
    CHECK(verdict.error_name.empty());
    CHECK(verdict.console.empty());
    CHECK(mentions(verdict.reason, "whether kernel 6.12.1 trusts that key is not known: /boot/vmlinuz: open"));
    CHECK(verdict.remedy == "run it as root");
    // It loads in any case, and what is known is said.
    KernelFacts lax = facts_with();
    lax.enforced = false;
    const Verdict tainting = verdict_on(module, unread, lax);
    CHECK(tainting.answer == Answer::taints);
    CHECK(tainting.reason == verdict.reason);
    CHECK(verdict_on(signed_module(other), unread).answer == Answer::loads);
    CHECK(verdict_on(make_module(), unread).answer == Answer::refused);

    TrustedKeys unproven = trusting({other});
    unproven.unproven.push_back({certificate_of(rsa_sample()), Keyring::builtin, "certs-local of kernel 6.12.1"});
    const Verdict open = verdict_on(module, unproven);
    CHECK(open.answer == Answer::unknown);
    CHECK(mentions(open.reason, "(certs-local of kernel 6.12.1) is not known: neither its image nor"));
    CHECK(mentions(open.remedy, "--kernel-config"));
    unproven.unproven.clear();
    CHECK(verdict_on(module, unproven).answer == Answer::refused);
}
