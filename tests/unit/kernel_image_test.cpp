#include <ksign/kernel_image.hpp>

#include "catch.hpp"
#include "expect_error.hpp"
#include "image_sample.hpp"
#include "kernel_root.hpp"

using namespace ksign;
using namespace ksign::test;

namespace {

const Bytes& rsa_der() {
    static const Bytes der = certificate_der(rsa_sample().certificate.get());
    return der;
}
const Bytes& other_der() {
    static const Bytes der = certificate_der(other_rsa_sample().certificate.get());
    return der;
}
const Bytes& ec_der() {
    static const Bytes der = certificate_der(ec_sample().certificate.get());
    return der;
}

KernelImage image_of(ByteView content) {
    const TemporaryFolder folder;
    write_file(folder / "image", content);
    return read_kernel_image(folder / "image");
}

Error image_error(ByteView content) {
    return error_of([&] { static_cast<void>(image_of(content)); });
}

std::string fingerprint(const Bytes& der) {
    return KernelCertificate::parse(der, "test").fingerprint();
}

std::vector<std::string> fingerprints(const std::vector<KernelCertificate>& certificates) {
    std::vector<std::string> all;
    for (const KernelCertificate& certificate : certificates) {
        all.push_back(certificate.fingerprint());
    }
    return all;
}

std::vector<std::string> fingerprints(const std::vector<Bytes>& certificates) {
    std::vector<std::string> all;
    for (const Bytes& der : certificates) {
        all.push_back(fingerprint(der));
    }
    return all;
}

} // namespace

TEST_CASE("an image is unpacked whatever it is packed in", "[kernel_image]") {
    const Bytes vmlinux = make_vmlinux({{rsa_der(), ec_der()}});
    const Bytes gzip = make_gzip(vmlinux);
    const Bytes xz = make_xz(vmlinux, {LZMA_CHECK_CRC32, 0, true});
    const Bytes zstd = make_zstd(vmlinux, {19, false, false});
    const Bytes lz4 = make_lz4_legacy(vmlinux);
    struct Case {
        std::string form;
        Bytes content;
    };
    const std::vector<Case> cases{
        {"ELF", vmlinux},
        {"gzip", gzip},
        {"lz4", lz4},
        {"bzImage, gzip", make_bzimage(gzip, vmlinux.size(), false)},
        {"bzImage, xz", make_bzimage(xz, vmlinux.size())},
        {"bzImage, zstd", make_bzimage(zstd, vmlinux.size())},
        {"bzImage, lz4", make_bzimage(lz4, vmlinux.size())},
        {"bzImage, ELF", make_bzimage(vmlinux, vmlinux.size(), false)},
        {"EFI zboot, gzip", make_zboot(gzip)},
        {"EFI zboot, zstd", make_zboot(zstd)},
        {"unified kernel image, bzImage, xz", make_unified(make_bzimage(xz, vmlinux.size()))},
        {"unified kernel image, EFI zboot, gzip", make_unified(make_zboot(gzip))},
    };
    for (const Case& each : cases) {
        INFO(each.form);
        const KernelImage image = image_of(each.content);
        CHECK(image.form == each.form);
        CHECK(image.size == vmlinux.size());
        CHECK(image.release == "6.12.1-test");
        CHECK(image.banner == VmlinuxForm().banner);
        CHECK(fingerprints(image.builtin) == fingerprints({rsa_der(), ec_der()}));
        CHECK(image.revoked.empty());
        CHECK(image.others.empty());
    }
}

TEST_CASE("the lists of an image are told apart by the sizes that follow them", "[kernel_image]") {
    VmlinuxForm form{{rsa_der(), ec_der()}};
    form.revoked = {other_der()};
    form.others = {certificate_der(ec_sample("P-256").certificate.get())};
    SECTION("as usual") {}
    SECTION("with a reserve for one more certificate") {
        form.reserve = 4096;
    }
    SECTION("of 32 bits") {
        form.word = 4;
    }
    SECTION("of the other byte order") {
        form.big_endian = true;
    }
    SECTION("of 32 bits and the other byte order") {
        form.word = 4;
        form.big_endian = true;
    }
    SECTION("without a key of the build's own") {
        form.has_module_key = false;
    }
    SECTION("far into the image, across the search's windows") {
        form.before = GENERATE(3145700U, 4194200U, 4190000U, 7340000U, 9000000U);
    }
    const KernelImage image = image_of(make_vmlinux(form));
    CHECK(fingerprints(image.builtin) == fingerprints(form.certificates));
    CHECK(fingerprints(image.revoked) == fingerprints(form.revoked));
    CHECK(fingerprints(image.others) == fingerprints(form.others));
}

// Once: each of them had all that follows it read, which took 20 s for a MiB.
TEST_CASE("an image full of what begins as a certificate does", "[kernel_image]") {
    Bytes image = make_vmlinux({{rsa_der()}});
    const Bytes start = bytes_from({0x30, 0x82, 0xff, 0xf0, 0x30, 0x80, 0x30, 0x02});
    Bytes hostile;
    for (std::size_t count = 0; count < (std::size_t{1} << 20U) / start.size(); ++count) {
        hostile.insert(hostile.end(), start.begin(), start.end());
    }
    image = joined({image, hostile});
    CHECK(fingerprints(image_of(image).builtin) == fingerprints({rsa_der()}));
}

TEST_CASE("an image without certificates, and one with a list whose size is wrong", "[kernel_image]") {
    CHECK(image_of(make_vmlinux()).builtin.empty());
    Bytes vmlinux = make_vmlinux({{rsa_der()}});
    const auto der = rsa_der();
    const auto at = std::search(vmlinux.begin(), vmlinux.end(), der.begin(), der.end());
    *(at + static_cast<std::ptrdiff_t>((der.size() + 7) / 8 * 8)) ^= std::byte{1};
    const KernelImage image = image_of(vmlinux);
    CHECK(image.builtin.empty());
    CHECK(fingerprints(image.others) == fingerprints({rsa_der()}));
}

TEST_CASE("an embedded configuration is read", "[kernel_image]") {
    VmlinuxForm form;
    form.config = "CONFIG_MODULE_SIG=y\nCONFIG_MODULE_SIG_HASH=\"sha384\"\n";
    const KernelImage image = image_of(make_vmlinux(form));
    REQUIRE(image.config);
    CHECK(image.config->module_hash() == HashAlgorithm::sha384);
    CHECK_FALSE(image_of(make_vmlinux()).config);
}

TEST_CASE("what is no whole image is an error that says so", "[kernel_image]") {
    const Bytes vmlinux = make_vmlinux({{rsa_der()}});
    const Bytes xz = make_bzimage(make_xz(vmlinux), vmlinux.size());
    CHECK(mentions(image_error(bytes_of("")).what(), "no kernel image that ksign knows"));
    CHECK(mentions(image_error(compressible_bytes(9000)).what(), "no kernel image that ksign knows"));
    CHECK(mentions(image_error(prefix_of(xz, xz.size() - 1000)).what(), "lies beyond its end"));
    CHECK(mentions(image_error(make_bzimage(make_xz(vmlinux), vmlinux.size() + 1)).what(), "says that there are"));
    CHECK(mentions(image_error(make_bzimage(prefix_of(make_zstd(vmlinux), 3000), vmlinux.size())).what(), "too early"));
    CHECK(mentions(image_error(make_bzimage(bytes_of("BZh91AY&SY and more"), 1, false)).what(), "bzip2"));
    const Bytes zboot = make_zboot(make_gzip(vmlinux));
    CHECK(mentions(image_error(prefix_of(zboot, 3000)).what(), "lies beyond its end"));
    CHECK(mentions(image_error(make_unified(make_unified(xz))).what(), "within another"));
    CHECK(mentions(image_error(make_unified(xz, ".initrd")).what(), "no kernel image that ksign knows"));
    Bytes old = xz;
    old[0x206] = std::byte{5};
    CHECK(mentions(image_error(old).what(), "older than 2.08"));
    for (const Error& error : {image_error(old), image_error(prefix_of(xz, xz.size() - 1000))}) {
        CHECK(error.code() == ErrorCode::kernel);
        CHECK_FALSE(error.remedy().empty());
    }
}

TEST_CASE("what is no kernel image is refused, a module for one", "[kernel_image]") {
    // Its text says nothing: a module may have that of a kernel in it.
    const Bytes module = joined({make_module(), bytes_of(VmlinuxForm().banner + "\n")});
    for (const Bytes& packed :
         {module, make_gzip(module), make_xz(module), make_zstd(module), make_bzimage(module, 0)}) {
        const Error error = image_error(packed);
        CHECK(mentions(error.what(), "is a kernel module or another object file, and no kernel image"));
        CHECK(error.code() == ErrorCode::kernel);
        CHECK(mentions(error.remedy(), "name a bzImage"));
    }
    VmlinuxForm program;
    program.banner = "some other program";
    CHECK(mentions(image_error(make_vmlinux(program)).what(), "is no kernel image: it has no \"Linux version\" in it"));
}

TEST_CASE("a hostile image costs bounded time", "[kernel_image]") {
    // At every fourth byte, something that may be a certificate of 64 KiB.
    Bytes hostile = bytes_of("\x7f"
                             "ELF");
    for (std::size_t index = 0; index < (std::size_t{4} << 20U); ++index) {
        hostile.push_back(static_cast<std::byte>(index % 4 == 0 ? 0x30 : index % 4 == 1 ? 0x82 : 0xff));
    }
    const Bytes banner = bytes_of(VmlinuxForm().banner + "\n");
    hostile.insert(hostile.end(), banner.begin(), banner.end());
    CHECK(image_of(hostile).builtin.empty());
    // As many true ones as no kernel has.
    Bytes many = bytes_of("\x7f"
                          "ELF");
    while (many.size() < ec_der().size() * 5000) {
        many.insert(many.end(), ec_der().begin(), ec_der().end());
    }
    CHECK(image_error(many).code() == ErrorCode::limit);
    // Random bytes changed in a list.
    const Bytes vmlinux = joined({make_vmlinux({{rsa_der(), ec_der()}}), banner});
    std::mt19937 engine(1);
    for (int round = 0; round < 300; ++round) {
        Bytes changed = vmlinux;
        for (int change = 0; change < 20; ++change) {
            changed[10000 + engine() % 3000] = static_cast<std::byte>(engine() & 0xffU);
        }
        CHECK(image_of(changed).builtin.size() <= 2);
    }
}

TEST_CASE("the image and configuration of an installed kernel are found", "[kernel_image]") {
    const KernelRoot root;
    const Kernel kernel(KernelRelease("6.12.1"), root.path());
    CHECK_FALSE(find_kernel_image(kernel));
    CHECK_FALSE(find_kernel_config(kernel));
    root.file("lib/modules/6.12.1/pkgbase", "linux-lts\n");
    const auto arch = root.file("boot/vmlinuz-linux-lts", "x");
    CHECK(find_kernel_image(kernel) == arch);
    const auto fedora = root.file("lib/modules/6.12.1/vmlinuz", "x");
    CHECK(find_kernel_image(kernel) == fedora);
    const auto debian = root.file("boot/vmlinuz-6.12.1", "x");
    CHECK(find_kernel_image(kernel) == debian);
    root.file("lib/modules/6.12.1/config", "CONFIG_A=y\n");
    CHECK(find_kernel_config(kernel)->enabled("A"));
    root.file("boot/config-6.12.1", "CONFIG_B=y\n");
    CHECK(find_kernel_config(kernel)->enabled("B"));
    root.file("lib/modules/6.12.1/build/.config", "CONFIG_C=y\n");
    CHECK(find_kernel_config(kernel)->enabled("C"));
}

TEST_CASE("certificates are read as the kernel compares them", "[trust]") {
    const KernelCertificate certificate = KernelCertificate::parse(rsa_der(), "test");
    CHECK(certificate.name() == "ksign test key");
    CHECK(certificate.issuer() == "ksign test key");
    CHECK(certificate.serial() == "1A:2B:3C:4D");
    CHECK(certificate.key_id().size() == 59);
    CHECK(certificate.key_description() == "RSA-2048");
    CHECK(certificate.fingerprint().size() == 64);
    CHECK(KernelCertificate::parse(ec_der(), "test").key_description() == "ECDSA P-384");
    CHECK(error_of([] { static_cast<void>(KernelCertificate::parse(bytes_of("no"), "test")); }).code() ==
          ErrorCode::certificate);

    const TemporaryFolder folder;
    write_file(folder / "one.der", rsa_der());
    write_file(folder / "two.der", joined({rsa_der(), ec_der()}));
    write_file(folder / "two.pem", joined({certificate_pem(rsa_sample().certificate.get()),
                                           certificate_pem(ec_sample().certificate.get())}));
    write_file(folder / "none.pem", "no certificate\n");
    CHECK(KernelCertificate::load(folder / "one.der").size() == 1);
    CHECK(KernelCertificate::load(folder / "two.der").size() == 2);
    CHECK(fingerprints(KernelCertificate::load(folder / "two.pem")) == fingerprints({rsa_der(), ec_der()}));
    CHECK(error_of([&] { static_cast<void>(KernelCertificate::load(folder / "none.pem")); }).code() ==
          ErrorCode::certificate);
}

namespace {

TrustedKeys installed_keys(const Kernel& kernel) {
    TrustedKeys keys;
    add_installed_certificates(keys, kernel, kernel.config());
    return keys;
}

} // namespace

TEST_CASE("without an image, the certificates of a kernel are those that its configuration names", "[trust]") {
    const KernelRoot root;
    const Kernel kernel(KernelRelease("6.12.1"), root.path());
    CHECK(installed_keys(kernel).entries.empty());

    const std::string build = "lib/modules/6.12.1/build/";
    const auto configure = [&](const std::string& trusted) {
        root.file(build + ".config", "CONFIG_SYSTEM_TRUSTED_KEYS=\"" + trusted + "\"\n");
    };
    root.file(build + "certs/extra.pem", text_of(certificate_pem(ec_sample().certificate.get())));
    root.file(build + "certs/signing_key.x509", text_of(other_der()));
    root.file(build + "certs-local/20260101-1200/signing_prv.pem", "not looked at");
    root.file(build + "certs-local/20260101-1200/signing_crt.crt", text_of(rsa_der()));
    root.link(build + "certs-local/current", "20260101-1200");

    // As `ksign config update` writes it: the path is that where the kernel was built.
    configure("/home/builder/certs-local/20260101-1200/signing_key.pem");
    TrustedKeys keys = installed_keys(kernel);
    REQUIRE(keys.entries.size() == 2);
    CHECK(keys.notes.empty());
    CHECK(keys.unproven.empty());
    CHECK(keys.entries[0].origin == "certs-local of kernel 6.12.1");
    CHECK(keys.entries[1].origin == "certs/signing_key.x509 of kernel 6.12.1");
    // Each once.
    add_installed_certificates(keys, kernel, kernel.config());
    CHECK(keys.entries.size() == 2);

    // Another key's, and none at all: what lies in certs-local is not what the kernel was built with.
    for (const char* other : {"/home/builder/certs-local/20250101-1200/signing_key.pem", ""}) {
        configure(other);
        const TrustedKeys without = installed_keys(kernel);
        REQUIRE(without.entries.size() == 1);
        CHECK(without.entries[0].origin == "certs/signing_key.x509 of kernel 6.12.1");
        CHECK(without.unproven.empty());
        REQUIRE(without.notes.size() == 1);
        CHECK(mentions(without.notes[0], "ksign test key (certs-local of kernel 6.12.1) is not what "));
        CHECK(mentions(without.notes[0], "what it signs does not load by it"));
    }
    // Under another name, its content counts.
    configure("certs/copy.pem");
    root.file(build + "certs/copy.pem", text_of(certificate_pem(rsa_sample().certificate.get())));
    CHECK(installed_keys(kernel).entries.size() == 2);
    CHECK(installed_keys(kernel).notes.empty());

    // What can't be read is said, and keeps nothing else away.
    configure("certs/extra.pem");
    root.file(build + "certs/extra.pem", "damaged");
    std::filesystem::remove(root / (build + "certs-local/current"));
    const TrustedKeys damaged = installed_keys(kernel);
    REQUIRE(damaged.entries.size() == 1);
    REQUIRE(damaged.notes.size() == 2);
    CHECK(mentions(damaged.notes[0], "does not lead to a folder with keys; point the link"));
    CHECK(mentions(damaged.notes[1], "extra.pem"));
    CHECK(damaged.unread.empty());
}

TEST_CASE("without image and configuration, a certs-local proves nothing", "[trust]") {
    const KernelRoot root;
    const Kernel kernel(KernelRelease("6.12.1"), root.path());
    const std::string build = "lib/modules/6.12.1/build/";
    root.file(build + "certs-local/current/signing_prv.pem", "not looked at");
    root.file(build + "certs-local/current/signing_crt.crt", text_of(rsa_der()));
    root.file(build + "certs/signing_key.x509", text_of(other_der()));
    const TrustedKeys keys = installed_keys(kernel);
    REQUIRE(keys.entries.size() == 1);
    CHECK(keys.entries[0].origin == "certs/signing_key.x509 of kernel 6.12.1");
    REQUIRE(keys.unproven.size() == 1);
    CHECK(keys.unproven[0].origin == "certs-local of kernel 6.12.1");
}

TEST_CASE("a certificate whose validity a kernel can't read is none to it", "[trust]") {
    const auto parses = [](const char* last) {
        const CertificatePointer certificate = make_certificate(rsa_sample().key.get(), CertificateForm());
        const std::unique_ptr<ASN1_TIME, decltype(&ASN1_TIME_free)> time(ASN1_TIME_new(), ASN1_TIME_free);
        openssl_expect(ASN1_TIME_set_string(time.get(), last));
        openssl_expect(X509_set1_notAfter(certificate.get(), time.get()));
        openssl_expect(X509_sign(certificate.get(), rsa_sample().key.get(), EVP_sha256()));
        try {
            static_cast<void>(KernelCertificate::parse(certificate_der(certificate.get()), "test"));
            return true;
        } catch (const Error& error) {
            CHECK(error.code() == ErrorCode::certificate);
            return false;
        }
    };
    CHECK(parses("491231235959Z"));
    CHECK(parses("20500101000000Z"));
    CHECK(parses("99991231235959Z"));
    // x509_decode_time(): what fits UTCTime has to be one.
    CHECK_FALSE(parses("20491231235959Z"));
    CHECK_FALSE(parses("600101000000Z"));
}
