#include <ksign/audit.hpp>

#include "catch.hpp"
#include "compressed_sample.hpp"
#include "elf_sample.hpp"
#include "expect_error.hpp"
#include "firmware_sample.hpp"
#include "initramfs_sample.hpp"
#include "kernel_root.hpp"
#include "key_sample.hpp"

#include <ksign/sign.hpp>

using namespace ksign;
using namespace ksign::test;

namespace {

const std::string modules_folder = "lib/modules/6.12.1/";

Bytes signed_bytes(const Bytes& payload, const KeySample& sample) {
    const TemporaryFolder folder;
    write_file(folder / "m.ko", payload);
    static_cast<void>(sign_module(folder / "m.ko", signer_of(sample), SignOptions()));
    return read_file(folder / "m.ko");
}

KeySample stranger() {
    CertificateForm form;
    form.common_name = "a stranger";
    form.serial = "66";
    static const KeySample sample = make_sample(make_ec_key("P-256"), form);
    return sample;
}

Judge judge_trusting(const KeySample& sample) {
    KernelFacts facts;
    facts.release = "6.12.1";
    TrustedKeys keys;
    keys.add({KernelCertificate::parse(certificate_der(sample.certificate.get()), "test"), Keyring::builtin, "test"});
    return {facts, keys};
}

AuditResult audit(const KernelRoot& root) {
    const Kernel kernel(KernelRelease("6.12.1"), root.path());
    std::size_t last = 0;
    AuditResult result =
        audit_kernel(kernel, judge_trusting(rsa_sample()), {}, [&last](std::size_t done, std::size_t total) {
            CHECK(done == last + 1);
            CHECK(done <= total);
            last = done;
        });
    CHECK(last == result.modules);
    return result;
}

/// Three modules: a and b are signed right, b is compressed.
void install_modules(const KernelRoot& root) {
    root.file(modules_folder + "kernel/a.ko", text_of(signed_bytes(make_module(2000), rsa_sample())));
    root.file(modules_folder + "kernel/b-c.ko.zst", text_of(make_zstd(signed_bytes(make_module(3000), rsa_sample()))));
}

} // namespace

TEST_CASE("a kernel whose modules are all signed right is safe", "[audit]") {
    const KernelRoot root;
    install_modules(root);
    const AuditResult result = audit(root);
    CHECK(result.safe);
    CHECK(result.modules == 2);
    CHECK(result.answers == std::map<Answer, std::size_t>{{Answer::loads, 2}});
    CHECK(result.signers == std::map<std::string, std::size_t>{{"ksign test key", 2}});
    CHECK(result.troubled.empty());
    CHECK_FALSE(result.running);
    CHECK(result.sentence == "It is safe to boot 6.12.1 with module.sig_enforce=1: all 2 installed modules load; no "
                             "initramfs was found.");
    const KernelRoot empty;
    empty.folder(modules_folder);
    CHECK(error_of([&] { audit(empty); }).code() == ErrorCode::kernel);
    const KernelRoot none;
    CHECK(mentions(error_of([&] { audit(none); }).what(), "kernel 6.12.1: has no modules in "));
}

TEST_CASE("refused modules are counted and named", "[audit]") {
    const KernelRoot root;
    install_modules(root);
    root.file(modules_folder + "updates/unsigned.ko", text_of(make_module(4000)));
    root.file(modules_folder + "updates/strange.ko", text_of(signed_bytes(make_module(5000), stranger())));
    const AuditResult result = audit(root);
    CHECK_FALSE(result.safe);
    CHECK(result.answers == std::map<Answer, std::size_t>{{Answer::loads, 2}, {Answer::refused, 2}});
    CHECK(result.signers == std::map<std::string, std::size_t>{{"ksign test key", 2}, {"a stranger", 1}, {"", 1}});
    REQUIRE(result.troubled.size() == 2);
    CHECK(result.troubled[0].path.filename() == "strange.ko");
    CHECK(result.sentence == "It is not safe to boot 6.12.1 with module.sig_enforce=1: 2 installed modules would be "
                             "refused.");
}

TEST_CASE("modules of the initramfs are compared and judged", "[audit]") {
    const KernelRoot root;
    install_modules(root);
    const Bytes current = signed_bytes(make_module(3000), rsa_sample());
    const Bytes old = signed_bytes(make_module(2500), stranger());
    SECTION("the same modules, one of them decompressed") {
        root.file("boot/initrd.img-6.12.1",
                  text_of(make_gzip(
                      make_cpio({{"usr/" + modules_folder + "kernel/b-c.ko", current},
                                 {modules_folder + "kernel/a.ko", signed_bytes(make_module(2000), rsa_sample())}}))));
        const AuditResult result = audit(root);
        CHECK(result.initramfs == root / "boot/initrd.img-6.12.1");
        CHECK(result.initramfs_modules == 2);
        CHECK(result.stale.empty());
        CHECK(result.safe);
        CHECK(mentions(result.sentence, "and the 2 in the initramfs do."));
    }
    SECTION("a stale one by another key, and one that is not installed") {
        root.file("boot/initramfs-6.12.1.img",
                  text_of(make_zstd(make_cpio(
                      {{modules_folder + "kernel/a.ko", old}, {modules_folder + "kernel/gone.ko", current}}))));
        const AuditResult result = audit(root);
        REQUIRE(result.stale.size() == 2);
        CHECK(result.stale[0].path == modules_folder + "kernel/a.ko");
        CHECK(result.stale[0].differs);
        CHECK(result.stale[0].verdict.answer == Answer::refused);
        CHECK(result.stale[0].verdict.signer == "a stranger");
        CHECK(result.stale[1].installed.empty());
        CHECK(result.stale[1].verdict.answer == Answer::loads);
        CHECK_FALSE(result.safe);
        CHECK(mentions(result.sentence, "one module in the initramfs would be refused"));
        // Nothing can be signed within it.
        for (const InitramfsModule& module : result.stale) {
            CHECK(module.verdict.remedy == "make the initramfs anew with what made it");
        }
        root.file("usr/bin/dracut");
        CHECK(audit(root).stale[0].verdict.remedy == "make the initramfs anew with: chroot " + root.path().string() +
                                                         " dracut --force /boot/initramfs-6.12.1.img 6.12.1");
    }
    SECTION("an unsigned one, which is installed so") {
        const auto file = root.file(modules_folder + "updates/unsigned.ko", text_of(make_module(4000)));
        root.file("boot/initrd.img-6.12.1",
                  text_of(make_gzip(make_cpio({{modules_folder + "updates/unsigned.ko", make_module(4000)}}))));
        root.file("usr/sbin/update-initramfs");
        const AuditResult result = audit(root);
        REQUIRE(result.stale.size() == 1);
        CHECK(result.stale[0].verdict.remedy == "sign it with: ksign sign --key KEY --certificate CERTIFICATE " +
                                                    file.string() + "; then make the initramfs anew with: chroot " +
                                                    root.path().string() + " update-initramfs -u -k 6.12.1");
        // A copy elsewhere is not what that command makes.
        std::filesystem::copy_file(root / "boot/initrd.img-6.12.1", root / "copy.img");
        AuditOptions options;
        options.initramfs = root / "copy.img";
        const AuditResult copy = audit_kernel(Kernel(KernelRelease("6.12.1"), root.path()),
                                              judge_trusting(rsa_sample()), options, [](std::size_t, std::size_t) {});
        REQUIRE(copy.stale.size() == 1);
        CHECK(copy.stale[0].verdict.remedy.ends_with("; then make the initramfs anew with what made it"));
    }
    SECTION("one that does not decode: it is named, and the others are judged") {
        root.file("boot/initramfs-6.12.1.img",
                  text_of(make_zstd(make_cpio({{modules_folder + "kernel/a.ko.xz", prefix_of(make_xz(current), 900)},
                                               {modules_folder + "kernel/z.ko", make_module(2200)}}))));
        const AuditResult result = audit(root);
        CHECK(result.initramfs_problem.empty());
        CHECK(result.initramfs_modules == 2);
        REQUIRE(result.stale.size() == 2);
        CHECK(result.stale[0].installed.filename() == "a.ko");
        CHECK(result.stale[0].differs);
        CHECK(result.stale[0].verdict.answer == Answer::refused);
        CHECK(result.stale[0].verdict.reason == "xz: the data ends too early");
        CHECK(result.stale[1].path == modules_folder + "kernel/z.ko");
        CHECK(result.stale[1].verdict.reason == "it is not signed");
        CHECK(mentions(result.sentence, "2 modules in the initramfs would be refused"));
        const auto packed =
            modules_in_initramfs(Kernel(KernelRelease("6.12.1"), root.path()), root / "boot/initramfs-6.12.1.img",
                                 {root / (modules_folder + "kernel/a.ko")});
        REQUIRE(packed.size() == 1);
        CHECK(packed[0].differs);
    }
    SECTION("the same, where it is the installed one that does not decode") {
        const Bytes cut = prefix_of(make_xz(current), 900);
        root.file(modules_folder + "kernel/x.ko.xz", text_of(cut));
        root.file(modules_folder + "kernel/y.ko.xz", text_of(cut));
        root.file("boot/initramfs-6.12.1.img",
                  text_of(make_zstd(make_cpio({{modules_folder + "kernel/x.ko.xz", make_xz(current)},
                                               {modules_folder + "kernel/y.ko.xz", cut},
                                               {modules_folder + "kernel/a.ko", old}}))));
        const AuditResult result = audit(root);
        CHECK(result.initramfs_problem.empty());
        CHECK(result.troubled.size() == 2);
        REQUIRE(result.stale.size() == 3);
        CHECK(result.stale[0].differs);
        CHECK(result.stale[0].verdict.answer == Answer::loads);
        CHECK_FALSE(result.stale[1].differs);
        CHECK(result.stale[1].verdict.answer == Answer::refused);
        CHECK(result.stale[2].verdict.signer == "a stranger");
    }
    SECTION("one that is too large to be looked at: it is named, and the others are judged") {
        root.file("boot/initramfs-6.12.1.img",
                  text_of(make_zstd(make_cpio({{modules_folder + "kernel/large.ko", make_module(200000)},
                                               {modules_folder + "kernel/z.ko", make_module(2200)}}))));
        AuditOptions options;
        options.max_payload = 100000;
        const Kernel kernel(KernelRelease("6.12.1"), root.path());
        const AuditResult result =
            audit_kernel(kernel, judge_trusting(rsa_sample()), options, [](std::size_t, std::size_t) {});
        CHECK(result.initramfs_problem.empty());
        REQUIRE(result.stale.size() == 2);
        REQUIRE(result.stale[0].error);
        CHECK(result.stale[0].error->code() == ErrorCode::limit);
        CHECK_FALSE(result.stale[1].error);
        CHECK(mentions(result.sentence, "2 modules in the initramfs would be refused"));
    }
    SECTION("one that can't be read") {
        root.file("boot/initrd.img-6.12.1", "no initramfs");
        const AuditResult result = audit(root);
        CHECK_FALSE(result.safe);
        CHECK(mentions(result.sentence, "the initramfs can't be read"));
    }
}

TEST_CASE("the initramfs of a kernel is found", "[audit]") {
    const KernelRoot root;
    const Kernel kernel(KernelRelease("6.12.1"), root.path());
    CHECK_FALSE(find_initramfs(kernel));
    root.file(modules_folder + "pkgbase", "linux\n");
    const auto arch = root.file("boot/initramfs-linux.img");
    CHECK(find_initramfs(kernel) == arch);
    const auto in_modules = root.file(modules_folder + "initrd");
    CHECK(find_initramfs(kernel) == in_modules);
    const auto dracut = root.file("boot/initramfs-6.12.1.img");
    CHECK(find_initramfs(kernel) == dracut);
    const auto debian = root.file("boot/initrd.img-6.12.1");
    CHECK(find_initramfs(kernel) == debian);
}

TEST_CASE("an initramfs is made anew by the program that the system has", "[audit]") {
    const KernelRoot root;
    const Kernel kernel(KernelRelease("6.12.1"), root.path());
    const auto command = [&] { return initramfs_command(kernel, root / "boot/initrd.img"); };
    using Words = std::vector<std::string>;
    CHECK_FALSE(command());
    root.file("usr/bin/dracut");
    CHECK(command() == Words{"chroot", root.path(), "dracut", "--force", "/boot/initrd.img", "6.12.1"});
    root.file("usr/bin/mkinitcpio");
    CHECK(command() == Words{"chroot", root.path(), "mkinitcpio", "-P"});
    root.file(modules_folder + "pkgbase", "linux-lts\n");
    CHECK(command() == Words{"chroot", root.path(), "mkinitcpio", "-p", "linux-lts"});
    root.file("usr/sbin/update-initramfs");
    CHECK(command() == Words{"chroot", root.path(), "update-initramfs", "-u", "-k", "6.12.1"});
}

TEST_CASE("what is loaded now, and what the log says", "[audit]") {
    const KernelRoot root;
    install_modules(root);
    root.file(modules_folder + "updates/unsigned.ko", text_of(make_module(4000)));
    root.file("proc/sys/kernel/osrelease", "6.12.1\n");
    root.file("proc/sys/kernel/tainted", "12288\n");
    root.file("proc/modules", "a 16384 0 - Live 0x0\nb_c 16384 1 - Live 0x0\nunsigned 16384 0 - Live 0x0 (OE)\n"
                              "removed 16384 0 - Live 0x0\n");
    root.file("sys/module/unsigned/taint", "OE\n");
    root.file("sys/module/module/parameters/sig_enforce", "N\n");
    root.file("sys/kernel/security/lockdown", "none [integrity] confidentiality\n");
    root.file("dev/kmsg",
              "5,1,100,-;unsigned: module verification failed: signature and/or required key missing - "
              "tainting kernel\n6,2,101,-;something else\n5,3,102,-;Loading of unsigned module is rejected\n");
    const AuditResult result = audit(root);
    REQUIRE(result.running);
    CHECK(result.running->modules.size() == 4);
    CHECK(result.running->tainted_by_unsigned);
    CHECK(result.running->enforced == false);
    CHECK(result.running->lockdown == Lockdown::integrity);
    CHECK(result.running->log == std::vector<std::string>{"unsigned: module verification failed: signature and/or "
                                                          "required key missing - tainting kernel",
                                                          "Loading of unsigned module is rejected"});
    REQUIRE(result.loaded.size() == 2);
    CHECK(result.loaded[0].module.name == "unsigned");
    CHECK(result.loaded[0].module.taints == "OE");
    CHECK(result.loaded[0].reason == "it is not signed");
    CHECK(result.loaded[1].module.name == "removed");
    CHECK(result.loaded[1].file.empty());
    CHECK(mentions(result.sentence, "loaded now would not load again"));
    // Another kernel's state says nothing.
    root.file("proc/sys/kernel/osrelease", "6.1.0\n");
    CHECK_FALSE(audit(root).running);
}

namespace {

TrustedKeys firmware_keys(const KernelRoot& root, const std::string& config = "CONFIG_INTEGRITY_MACHINE_KEYRING=y\n") {
    TrustedKeys keys;
    KernelFacts kernel;
    kernel.config = KernelConfig::parse(config, "config");
    add_firmware_keys(keys, kernel, root.path());
    compare_with_loaded_keys(keys, root.path());
    return keys;
}

} // namespace

TEST_CASE("machine owner keys of a kernel that does not look at them", "[running_kernel]") {
    const KernelRoot root;
    variable(root, "SecureBoot", bytes_from({1}));
    variable(root, "MokListTrustedRT", bytes_from({1}));
    variable(root, "MokListRT", signature_list(x509, {certificate_der(rsa_sample().certificate.get())}));
    const std::string config = "# Linux/x86 6.18.3 Kernel Configuration\nCONFIG_INTEGRITY_MACHINE_KEYRING=y\n";
    const TrustedKeys without = firmware_keys(root, config);
    CHECK(without.entries.empty());
    REQUIRE(without.notes.size() == 1);
    CHECK(mentions(without.notes[0], "CONFIG_IMA_ARCH_POLICY is not set: the kernel does not look at"));
    CHECK(firmware_keys(root, config + "CONFIG_IMA_SECURE_AND_OR_TRUSTED_BOOT=y\n").entries.size() == 1);
}

TEST_CASE("what the firmware trusts goes into the keyrings that the kernel puts it in", "[running_kernel]") {
    const KernelRoot root;
    CHECK(firmware_keys(root).entries.empty());
    const Bytes rsa = certificate_der(rsa_sample().certificate.get());
    const Bytes other = certificate_der(ec_sample().certificate.get());
    variable(root, "db", signature_list(x509, {rsa}));
    variable(root, "MokListRT", signature_list(x509, {other}));

    const TrustedKeys off = firmware_keys(root);
    REQUIRE(off.entries.size() == 1);
    CHECK(off.entries[0].keyring == Keyring::platform);
    CHECK(off.entries[0].origin == "UEFI's db");
    REQUIRE(off.notes.size() == 1);
    CHECK(mentions(off.notes[0], "Secure Boot is off"));

    variable(root, "SecureBoot", bytes_from({1}));
    const TrustedKeys on = firmware_keys(root);
    REQUIRE(on.entries.size() == 2);
    CHECK(on.entries[1].keyring == Keyring::platform);
    variable(root, "MokListTrustedRT", bytes_from({1}));
    CHECK(firmware_keys(root).entries[1].keyring == Keyring::machine);
    CHECK(firmware_keys(root, "CONFIG_A=y\n").entries[1].keyring == Keyring::platform);
    CHECK(firmware_keys(root, "CONFIG_INTEGRITY_MACHINE_KEYRING=y\nCONFIG_INTEGRITY_CA_MACHINE_KEYRING=y\n")
              .entries[1]
              .keyring == Keyring::platform);

    // A CA is let in, and with _MAX none that may sign data itself.
    const auto keyring_of = [&root](const char* usage, const std::string& config) {
        const CertificatePointer authority =
            make_certificate(ec_sample().key.get(),
                             {.extensions = {{NID_basic_constraints, "critical,CA:TRUE"}, {NID_key_usage, usage}}});
        variable(root, "MokListRT", signature_list(x509, {certificate_der(authority.get())}));
        return firmware_keys(root,
                             "CONFIG_INTEGRITY_MACHINE_KEYRING=y\nCONFIG_INTEGRITY_CA_MACHINE_KEYRING=y\n" + config)
            .entries.at(1)
            .keyring;
    };
    CHECK(keyring_of("keyCertSign,digitalSignature", "") == Keyring::machine);
    CHECK(keyring_of("cRLSign", "") == Keyring::platform);
    CHECK(keyring_of("keyCertSign", "CONFIG_INTEGRITY_CA_MACHINE_KEYRING_MAX=y\n") == Keyring::machine);
    CHECK(keyring_of("keyCertSign,digitalSignature", "CONFIG_INTEGRITY_CA_MACHINE_KEYRING_MAX=y\n") ==
          Keyring::platform);

    variable(root, "MokIgnoreDB", bytes_from({1}));
    variable(root, "dbx", joined({signature_list(x509, {rsa}), signature_list(x509_sha256, {random_bytes(48)})}));
    const TrustedKeys revoked = firmware_keys(root);
    REQUIRE(revoked.entries.size() == 2);
    CHECK(revoked.entries[0].keyring == Keyring::revoked);
    REQUIRE(revoked.revoked_hashes.size() == 1);
    CHECK(revoked.revoked_hashes[0].size() == 48);
}

TEST_CASE("damaged variables and unknown keys are in the notes", "[running_kernel]") {
    const KernelRoot root;
    const Bytes rsa = certificate_der(rsa_sample().certificate.get());
    const Bytes list = signature_list(x509, {rsa});
    for (const std::size_t size : {std::size_t{1}, std::size_t{27}, std::size_t{100}, list.size() - 1}) {
        variable(root, "db", prefix_of(list, size));
        const TrustedKeys keys = firmware_keys(root);
        CHECK(keys.entries.empty());
        CHECK(keys.notes.size() == 1);
    }
    variable(root, "db", signature_list(x509, {bytes_of("no certificate")}));
    CHECK(firmware_keys(root).notes.size() == 1);
    Bytes zero_sized = list;
    std::fill(zero_sized.begin() + 24, zero_sized.begin() + 28, std::byte{0});
    variable(root, "db", zero_sized);
    CHECK(firmware_keys(root).notes.size() == 1);

    variable(root, "db", list);
    std::string id = KernelCertificate::parse(rsa, "test").key_id();
    std::erase(id, ':');
    std::ranges::transform(id, id.begin(),
                           [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
    root.file("proc/keys", "0b2c3d4e I------     1 perm 1f030000     0     0 asymmetri ksign test key: " + id +
                               ": X509.rsa bb419ea1 []\n");
    CHECK(firmware_keys(root).notes.empty());
    root.file("proc/keys",
              "0b2c3d4e I------     1 perm 1f030000     0     0 asymmetri other: 0102: X509.rsa bb41 []\n");
    REQUIRE(firmware_keys(root).notes.size() == 1);
    CHECK(mentions(firmware_keys(root).notes[0], "/proc/keys"));
}
