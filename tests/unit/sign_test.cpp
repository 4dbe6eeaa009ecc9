#include <ksign/module.hpp>
#include <ksign/sign.hpp>

#include "bytes.hpp"
#include "catch.hpp"
#include "cms.hpp"
#include "compressed_sample.hpp"
#include "container.hpp"
#include "elf_sample.hpp"
#include "expect_error.hpp"
#include "key_sample.hpp"
#include "module.hpp"
#include "temporary_folder.hpp"

#include <unistd.h>

#include <atomic>
#include <map>

using namespace ksign;
using namespace ksign::test;

namespace {

const std::vector<ContainerKind>& all_kinds() {
    static const std::vector kinds{ContainerKind::plain, ContainerKind::gzip, ContainerKind::xz, ContainerKind::zstd};
    return kinds;
}

Bytes packed(ContainerKind kind, ByteView payload) {
    switch (kind) {
    case ContainerKind::gzip:
        return make_gzip(payload);
    case ContainerKind::xz:
        return make_xz(payload);
    case ContainerKind::zstd:
        return make_zstd(payload);
    default:
        return {payload.begin(), payload.end()};
    }
}

/// Payload and signatures of a file, decompressed.
Bytes unpacked(const std::filesystem::path& path) {
    const InputFile file = InputFile::open(path);
    Bytes content;
    static_cast<void>(read_payload(file, detect_codec(file), 1U << 30U, [&content](ByteView bytes) {
        content.insert(content.end(), bytes.begin(), bytes.end());
    }));
    return content;
}

const Signer& signer() {
    static const Signer one = signer_of(rsa_sample());
    return one;
}

const Signer& other_signer() {
    static const Signer one = signer_of(other_rsa_sample());
    return one;
}

Bytes sha(HashAlgorithm hash, ByteView bytes) {
    Digest digest(hash);
    digest.update(bytes);
    return digest.finish();
}

/// A module in a folder of its own.
class ModuleFile {
  public:
    explicit ModuleFile(ByteView content) { write_file(path(), content); }
    [[nodiscard]] std::filesystem::path path() const { return folder_ / "a.ko"; }
    [[nodiscard]] const TemporaryFolder& folder() const { return folder_; }
    [[nodiscard]] struct stat status() const { return status_of(path()); }
    [[nodiscard]] SignResult sign(const SignOptions& options = {}, const Signer& by = signer()) const {
        return sign_module(path(), by, options);
    }
    /// Whether it holds exactly this payload and one right signature, in the container, in loadable form.
    void check_signed(ByteView payload, ContainerKind kind, const Signer& by = signer(),
                      HashAlgorithm hash = HashAlgorithm::sha512, const SignatureForm& form = {}) const {
        const ModuleDescription description = describe_module(path());
        CHECK(description.container == kind);
        CHECK(description.load_obstacle.empty());
        CHECK(description.payload_size == payload.size());
        CHECK(description.file_size == static_cast<std::uint64_t>(status().st_size));
        REQUIRE(description.signatures.size() == 1);
        const Bytes content = unpacked(path());
        const std::size_t cms_size = description.signatures.front().size;
        REQUIRE(content.size() == payload.size() + cms_size + trailer_size);
        CHECK(std::ranges::equal(ByteView(content).first(payload.size()), payload));
        CHECK(is_right_signature(ByteView(content).subspan(payload.size(), cms_size), by, hash, sha(hash, payload),
                                 form));
        CHECK(folder_.entries() == 1);
    }

  private:
    TemporaryFolder folder_;
};

Bytes signature_of(ByteView payload, const Signer& by = signer(), HashAlgorithm hash = HashAlgorithm::sha512) {
    return sign_digest(by, hash, sha(hash, payload), {});
}

} // namespace

TEST_CASE("an unsigned module is signed in its container", "[sign]") {
    const Bytes payload = make_module(200000);
    for (const ContainerKind kind : all_kinds()) {
        INFO(container_name(kind));
        const ModuleFile module(packed(kind, payload));
        const SignResult result = module.sign();
        CHECK(result.outcome == SignOutcome::signed_first);
        CHECK(result.container == kind);
        CHECK(result.signatures_removed == 0);
        CHECK(result.signature == signature_of(payload)); // RSA is deterministic
        module.check_signed(payload, kind);
    }
}

TEST_CASE("a plain module is signed to the very bytes that sign-file makes", "[sign]") {
    const Bytes payload = make_module();
    const ModuleFile module(payload);
    static_cast<void>(module.sign());
    CHECK((read_file(module.path()) == joined({payload, make_tail(signature_of(payload))})));
}

TEST_CASE("modules of every class and byte order are signed", "[sign]") {
    for (const bool is_64_bit : {true, false}) {
        for (const bool big_endian : {true, false}) {
            ElfForm form;
            form.is_64_bit = is_64_bit;
            form.big_endian = big_endian;
            const Bytes payload = make_elf(form);
            const ModuleFile module(payload);
            CHECK(module.sign().outcome == SignOutcome::signed_first);
            module.check_signed(payload, ContainerKind::plain);
        }
    }
}

TEST_CASE("each form and hash of signature is made as asked", "[sign]") {
    const Bytes payload = make_module();
    for (const HashAlgorithm hash : {HashAlgorithm::sha224, HashAlgorithm::sha256, HashAlgorithm::sha384}) {
        for (const SignatureForm& form : {SignatureForm{}, SignatureForm{true, false}, SignatureForm{true, true}}) {
            for (const KeySample* sample : {&rsa_sample(), &ec_sample()}) {
                const Signer by = signer_of(*sample);
                const ModuleFile module(packed(ContainerKind::xz, payload));
                SignOptions options;
                options.hash = hash;
                options.form = form;
                CHECK(module.sign(options, by).outcome == SignOutcome::signed_first);
                module.check_signed(payload, ContainerKind::xz, by, hash, form);
                CHECK(module.sign(options, by).outcome == SignOutcome::unchanged);
            }
        }
    }
}

TEST_CASE("a module that is signed right already is not touched", "[sign]") {
    const Bytes payload = make_module(50000);
    for (const ContainerKind kind : all_kinds()) {
        INFO(container_name(kind));
        const ModuleFile module(packed(kind, payload));
        static_cast<void>(module.sign());
        const Bytes content = read_file(module.path());
        const struct stat before = module.status();
        const SignResult result = module.sign();
        CHECK(result.outcome == SignOutcome::unchanged);
        CHECK(result.container == kind);
        CHECK(result.signature == signature_of(payload));
        CHECK(is_untouched(before, module.status()));
        CHECK((read_file(module.path()) == content));
    }
}

TEST_CASE("a module that is signed right already is signed anew when forced", "[sign]") {
    const Bytes payload = make_module();
    const ModuleFile module(packed(ContainerKind::zstd, payload));
    static_cast<void>(module.sign());
    const struct stat before = module.status();
    SignOptions options;
    options.force = true;
    const SignResult result = module.sign(options);
    CHECK(result.outcome == SignOutcome::signed_again);
    CHECK(result.signatures_removed == 1);
    CHECK(before.st_ino != module.status().st_ino);
    module.check_signed(payload, ContainerKind::zstd);
}

TEST_CASE("a module signed otherwise is signed again", "[sign]") {
    const Bytes payload = make_module(20000);
    for (const ContainerKind kind : all_kinds()) {
        INFO(container_name(kind));
        const auto check_again = [&](const Bytes& content, std::size_t removed) {
            const ModuleFile module(packed(kind, content));
            const SignResult result = module.sign();
            CHECK(result.outcome == SignOutcome::signed_again);
            CHECK(result.signatures_removed == removed);
            module.check_signed(payload, kind);
        };
        const Bytes right = make_tail(signature_of(payload));
        const Bytes by_other = make_tail(signature_of(payload, other_signer()));
        check_again(joined({payload, by_other}), 1);
        check_again(joined({payload, make_tail(signature_of(payload, signer(), HashAlgorithm::sha256))}), 1);
        check_again(joined({payload, make_tail(sign_digest(signer(), HashAlgorithm::sha512,
                                                           sha(HashAlgorithm::sha512, payload), {true, false}))}),
                    1);
        // Right, twice; the kernel takes the inner one for payload.
        check_again(joined({payload, right, right}), 2);
        check_again(joined({payload, by_other, right}), 2);
        check_again(joined({payload, right, by_other}), 2);
        // A signature of other content.
        check_again(joined({payload, make_tail(signature_of(random_bytes(100)))}), 1);
    }
}

TEST_CASE("a module whose payload was changed after it was signed is signed again", "[sign]") {
    Bytes payload = make_module(5000);
    const Bytes tail = make_tail(signature_of(payload));
    payload[1000] ^= std::byte{1};
    const ModuleFile module(joined({payload, tail}));
    CHECK(module.sign().outcome == SignOutcome::signed_again);
    module.check_signed(payload, ContainerKind::plain);
}

TEST_CASE("more signatures than fit what is held back first are all taken off", "[sign]") {
    const Bytes payload = make_module(100000);
    Bytes content = payload;
    const Bytes tail = make_tail(signature_of(payload));
    for (int number = 0; number < 1000; ++number) { // some 0.7 MiB
        content.insert(content.end(), tail.begin(), tail.end());
    }
    for (const ContainerKind kind : {ContainerKind::plain, ContainerKind::zstd}) {
        const ModuleFile module(packed(kind, content));
        const ModuleDescription description = describe_module(module.path());
        CHECK(description.signatures.size() == 100);
        CHECK(description.more_signatures == 900);
        const SignResult result = module.sign();
        CHECK(result.signatures_removed == 1000);
        module.check_signed(payload, kind);
    }
}

TEST_CASE("a right signature in a container that no kernel reads is kept, and repacked", "[sign]") {
    const Bytes payload = make_module(30000);
    const Bytes content = joined({payload, make_tail(signature_of(payload))});
    const Bytes first_half = prefix_of(content, 15000);
    const Bytes second_half(content.begin() + 15000, content.end());
    XzForm filtered;
    filtered.x86_filter = true;
    ZstdForm streamed;
    streamed.content_size = false;
    GzipForm commented;
    commented.comment = "by hand";
    const std::vector<std::pair<ContainerKind, Bytes>> files{
        {ContainerKind::xz, make_xz(content, {LZMA_CHECK_CRC64})}, // as DKMS 3.0.10's `xz -f` makes it
        {ContainerKind::xz, make_xz(content, {LZMA_CHECK_SHA256})},
        {ContainerKind::xz, make_xz(content, filtered)},
        {ContainerKind::xz, joined({make_xz(first_half), make_xz(second_half)})},
        {ContainerKind::zstd, make_zstd(content, streamed)},
        {ContainerKind::zstd, joined({make_zstd(first_half), make_zstd(second_half)})},
        {ContainerKind::zstd, joined({make_skippable_frame(9), make_zstd(content)})},
        {ContainerKind::gzip, make_gzip(content, commented)},
        {ContainerKind::gzip, joined({make_gzip(first_half), make_gzip(second_half)})},
    };
    for (const auto& [kind, file] : files) {
        const ModuleFile module(file);
        CHECK_FALSE(describe_module(module.path()).load_obstacle.empty());
        const SignResult result = module.sign();
        CHECK(result.outcome == SignOutcome::repacked);
        CHECK(result.container == kind);
        CHECK(result.signatures_removed == 0);
        CHECK(result.signature == signature_of(payload));
        module.check_signed(payload, kind);
        CHECK(module.sign().outcome == SignOutcome::unchanged);
    }
}

TEST_CASE("an ECDSA signature is kept when a module is repacked", "[sign]") {
    const Bytes payload = make_module();
    const Signer by = signer_of(ec_sample());
    const Bytes signature = signature_of(payload, by); // another each time it is made
    const ModuleFile module(make_xz(joined({payload, make_tail(signature)}), {LZMA_CHECK_CRC64}));
    CHECK(module.sign({}, by).outcome == SignOutcome::repacked);
    const Bytes content = unpacked(module.path());
    CHECK((content == joined({payload, make_tail(signature)})));
}

TEST_CASE("what is compressed anew is so at the level asked for", "[sign]") {
    const Bytes payload = make_module(200000);
    // Containers that no kernel reads, of which nothing is kept.
    ZstdForm unsized;
    unsized.content_size = false;
    GzipForm commented;
    commented.comment = "a module";
    const std::map<ContainerKind, Bytes> containers{{ContainerKind::gzip, make_gzip(payload, commented)},
                                                    {ContainerKind::xz, make_xz(payload, {LZMA_CHECK_CRC64})},
                                                    {ContainerKind::zstd, make_zstd(payload, unsized)}};
    for (const auto& entry : containers) { // a structured binding could not be captured by its name alone
        const ContainerKind kind = entry.first;
        const Bytes& container = entry.second;
        INFO(container_name(kind));
        const auto size_at = [&](int level) {
            const ModuleFile module(container);
            SignOptions options;
            options.files.levels = {level, level, level};
            static_cast<void>(module.sign(options));
            module.check_signed(payload, kind);
            return module.status().st_size;
        };
        CHECK(size_at(container_levels(kind).highest) < size_at(container_levels(kind).lowest));
    }
}

TEST_CASE("a dry run says what would be, and writes nothing", "[sign]") {
    const Bytes payload = make_module();
    const Bytes right = joined({payload, make_tail(signature_of(payload))});
    SignOptions options;
    options.files.dry_run = true;
    const auto outcome = [&](const Bytes& content, const std::optional<std::string>& destination = {}) {
        const ModuleFile module(content);
        if (destination) {
            options.destination = module.folder() / *destination;
        }
        const struct stat before = module.status();
        const SignResult result = module.sign(options);
        CHECK(result.signature == signature_of(payload));
        CHECK(is_untouched(before, module.status()));
        CHECK(module.folder().entries() == 1);
        options.destination.reset();
        return result.outcome;
    };
    CHECK(outcome(payload) == SignOutcome::signed_first);
    CHECK(outcome(joined({payload, make_tail(signature_of(payload, other_signer()))})) == SignOutcome::signed_again);
    CHECK(outcome(right) == SignOutcome::unchanged);
    CHECK(outcome(make_xz(right, {LZMA_CHECK_CRC64})) == SignOutcome::repacked);
    CHECK(outcome(payload, "b.ko") == SignOutcome::signed_first);
    CHECK(outcome(right, "b.ko") == SignOutcome::unchanged);
}

TEST_CASE("a signed module goes to a destination, and the module stays", "[sign]") {
    const Bytes payload = make_module();
    const Bytes right = joined({payload, make_tail(signature_of(payload))});
    for (const ContainerKind kind : all_kinds()) {
        for (const Bytes& content : {payload, right}) { // one to be signed, one that is
            const ModuleFile module(packed(kind, content));
            const struct stat before = module.status();
            const TemporaryFolder elsewhere;
            SignOptions options;
            options.destination = elsewhere / "b.ko";
            CHECK(module.sign(options).outcome ==
                  (content == payload ? SignOutcome::signed_first : SignOutcome::unchanged));
            CHECK(is_untouched(before, module.status()));
            CHECK((unpacked(elsewhere / "b.ko") == right));
            CHECK(elsewhere.entries() == 1);
        }
    }
}

TEST_CASE("a destination that is the module itself is the module", "[sign]") {
    const Bytes payload = make_module();
    const ModuleFile module(payload);
    std::filesystem::create_symlink("a.ko", module.folder() / "link.ko");
    SignOptions options;
    options.destination = module.folder() / "link.ko";
    CHECK(module.sign(options).outcome == SignOutcome::signed_first);
    CHECK(std::filesystem::is_symlink(module.folder() / "link.ko"));
    CHECK((unpacked(module.path()) == joined({payload, make_tail(signature_of(payload))})));
    const struct stat before = module.status();
    CHECK(module.sign(options).outcome == SignOutcome::unchanged);
    CHECK(is_untouched(before, module.status()));
}

TEST_CASE("a signed module keeps its mode, and a link to it stays", "[sign]") {
    const Bytes payload = make_module();
    const ModuleFile module(payload);
    ::chmod(module.path().c_str(), 0600);
    const TemporaryFolder elsewhere;
    std::filesystem::create_symlink(module.path(), elsewhere / "link.ko");
    CHECK(sign_module(elsewhere / "link.ko", signer(), {}).outcome == SignOutcome::signed_first);
    CHECK(std::filesystem::is_symlink(elsewhere / "link.ko"));
    CHECK((module.status().st_mode & 07777U) == 0600);
    module.check_signed(payload, ContainerKind::plain);
}

TEST_CASE("what can't be signed stays as it is", "[sign]") {
    const Bytes payload = make_module(5000);
    const Bytes right = joined({payload, make_tail(signature_of(payload))});
    const auto code = [](const Bytes& content, const SignOptions& options = {}) {
        const ModuleFile module(content);
        const struct stat before = module.status();
        const Error error = error_of([&] { static_cast<void>(module.sign(options)); });
        CHECK(error.subject() == module.path().string());
        CHECK(is_untouched(before, module.status()));
        CHECK((read_file(module.path()) == content));
        CHECK(module.folder().entries() == 1);
        // The other acts refuse it as well.
        CHECK(error_of([&] { static_cast<void>(strip_signatures(module.path(), options.files)); }).code() ==
              error.code());
        CHECK(error_of([&] { static_cast<void>(describe_module(module.path(), options.files.max_payload)); }).code() ==
              error.code());
        CHECK(error_of([&] { static_cast<void>(make_detached_signature(module.path(), signer(), options)); }).code() ==
              error.code());
        return error.code();
    };
    CHECK(code({}) == ErrorCode::not_a_module);
    CHECK(code(bytes_of("text\n")) == ErrorCode::not_a_module);
    CHECK(code(make_xz(bytes_of("text\n"))) == ErrorCode::not_a_module);
    CHECK(code(prefix_of(payload, 4000)) == ErrorCode::not_a_module);
    ElfForm program;
    program.type = ET_EXEC;
    CHECK(code(make_elf(program)) == ErrorCode::not_a_module);
    Bytes broken = right;
    broken[broken.size() - trailer_size + 1] = std::byte{1};
    CHECK(code(broken) == ErrorCode::malformed_signature);
    CHECK(code(make_zstd(broken)) == ErrorCode::malformed_signature);
    const Bytes xz = make_xz(payload);
    CHECK(code(prefix_of(xz, xz.size() - 1)) == ErrorCode::container);
    SignOptions small;
    small.files.max_payload = 4000;
    CHECK(code(payload, small) == ErrorCode::limit);
    CHECK(code(make_gzip(payload), small) == ErrorCode::limit);
}

TEST_CASE("a module with several names is not signed", "[sign]") {
    const Bytes payload = make_module();
    const ModuleFile module(payload);
    std::filesystem::create_hard_link(module.path(), module.folder() / "b.ko");
    CHECK(error_of([&] { static_cast<void>(module.sign()); }).code() == ErrorCode::usage);
    CHECK((read_file(module.path()) == payload));
    CHECK(module.folder().entries() == 2);
}

TEST_CASE("stripping gives back the payload, byte for byte", "[sign]") {
    const Bytes payload = make_module(50000);
    for (const ContainerKind kind : all_kinds()) {
        INFO(container_name(kind));
        const Bytes tail = make_tail(signature_of(payload));
        const ModuleFile module(packed(kind, joined({payload, tail, tail, tail})));
        FileOptions dry;
        dry.dry_run = true;
        const struct stat before = module.status();
        CHECK(strip_signatures(module.path(), dry) == 3);
        CHECK(is_untouched(before, module.status()));
        CHECK(strip_signatures(module.path(), {}) == 3);
        CHECK((unpacked(module.path()) == payload));
        CHECK(describe_module(module.path()).container == kind);
        CHECK(describe_module(module.path()).load_obstacle.empty());
        const struct stat stripped = module.status();
        CHECK(strip_signatures(module.path(), {}) == 0);
        CHECK(is_untouched(stripped, module.status()));
    }
}

TEST_CASE("signing and stripping a plain module gives back the file", "[sign]") {
    const Bytes payload = make_module();
    const ModuleFile module(payload);
    static_cast<void>(module.sign());
    CHECK(strip_signatures(module.path(), {}) == 1);
    CHECK((read_file(module.path()) == payload));
}

TEST_CASE("stripping leaves an unsigned module alone, whatever its container", "[sign]") {
    const ModuleFile module(make_xz(make_module(), {LZMA_CHECK_CRC64}));
    const struct stat before = module.status();
    CHECK(strip_signatures(module.path(), {}) == 0);
    CHECK(is_untouched(before, module.status()));
}

TEST_CASE("a detached signature is that which would be appended", "[sign]") {
    const Bytes payload = make_module();
    for (const ContainerKind kind : all_kinds()) {
        for (const Bytes& content : {payload, joined({payload, make_tail(signature_of(payload, other_signer()))})}) {
            const ModuleFile module(packed(kind, content));
            const struct stat before = module.status();
            CHECK(make_detached_signature(module.path(), signer(), {}) == signature_of(payload));
            CHECK(is_untouched(before, module.status()));
        }
    }
}

TEST_CASE("a signature made elsewhere is attached", "[sign]") {
    const Bytes payload = make_module();
    const Bytes signature = signature_of(payload);
    const TemporaryFolder keys;
    write_file(keys / "right.der", certificate_der(rsa_sample().certificate.get()));
    write_file(keys / "wrong.der", certificate_der(other_rsa_sample().certificate.get()));
    for (const ContainerKind kind : all_kinds()) {
        INFO(container_name(kind));
        const ModuleFile module(packed(kind, payload));
        const auto refused = [&](ByteView bytes, const std::optional<std::filesystem::path>& certificate,
                                 const SignOptions& options = {}) {
            const struct stat before = module.status();
            const Error error = error_of([&] { attach_signature(module.path(), bytes, certificate, options); });
            CHECK(is_untouched(before, module.status()));
            return error.code();
        };
        SignOptions other_hash;
        other_hash.hash = HashAlgorithm::sha256;
        CHECK(refused(signature, keys / "wrong.der") == ErrorCode::crypto);
        CHECK(refused(signature, keys / "right.der", other_hash) == ErrorCode::crypto);
        CHECK(refused(signature, keys / "missing.der") == ErrorCode::system);
        CHECK(refused(signature_of(random_bytes(9)), keys / "right.der") == ErrorCode::crypto);
        CHECK(refused(random_bytes(300), keys / "right.der") == ErrorCode::malformed_signature);
        CHECK(refused(random_bytes(300), std::nullopt) == ErrorCode::malformed_signature);
        CHECK(refused({}, std::nullopt) == ErrorCode::malformed_signature);

        SignOptions dry;
        dry.files.dry_run = true;
        const struct stat before = module.status();
        CHECK(attach_signature(module.path(), signature, keys / "right.der", dry).outcome == SignOutcome::signed_first);
        CHECK(is_untouched(before, module.status()));

        const SignResult first = attach_signature(module.path(), signature, keys / "right.der", {});
        CHECK(first.outcome == SignOutcome::signed_first);
        CHECK(first.container == kind);
        CHECK(first.signature == signature);
        module.check_signed(payload, kind);

        const SignResult again = attach_signature(module.path(), signature, std::nullopt, {});
        CHECK(again.outcome == SignOutcome::signed_again);
        CHECK(again.signatures_removed == 1);
        module.check_signed(payload, kind);
        CHECK(module.sign().outcome == SignOutcome::unchanged);
    }
}

TEST_CASE("a signature is attached to a destination", "[sign]") {
    const Bytes payload = make_module();
    const ModuleFile module(payload);
    const struct stat before = module.status();
    const TemporaryFolder elsewhere;
    SignOptions options;
    options.destination = elsewhere / "b.ko";
    attach_signature(module.path(), signature_of(payload), std::nullopt, options);
    CHECK(is_untouched(before, module.status()));
    CHECK((unpacked(elsewhere / "b.ko") == joined({payload, make_tail(signature_of(payload))})));
}

TEST_CASE("what is attached can be read again", "[sign]") {
    const Bytes payload = make_module();
    const Bytes der = signature_of(payload);
    REQUIRE(der[1] == std::byte{0x82});
    // The same message in BER, its outer length left open, as streaming tools write it.
    const Bytes ber = joined({bytes_from({0x30, 0x80}), ByteView(der).subspan(4), Bytes(2)});
    const ModuleFile module(payload);
    const struct stat before = module.status();
    try {
        attach_signature(module.path(), ber, std::nullopt, {});
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::malformed_signature);
        CHECK(is_untouched(before, module.status()));
        return;
    }
    CHECK(describe_module(module.path()).signatures.size() == 1);
    CHECK(strip_signatures(module.path(), {}) == 1);
}

TEST_CASE("a module says what it is", "[sign]") {
    const Bytes payload = make_module(10000);
    const Bytes inner = signature_of(payload, other_signer(), HashAlgorithm::sha256);
    const Bytes odd = bytes_from({0x30, 0x02, 0x05, 0x00}); // a sequence, and no CMS message
    for (const ContainerKind kind : all_kinds()) {
        const ModuleFile module(
            packed(kind, joined({payload, make_tail(inner), make_tail(odd), make_tail(signature_of(payload))})));
        const ModuleDescription description = describe_module(module.path());
        CHECK(description.container == kind);
        CHECK(description.payload_size == payload.size());
        CHECK(description.file_size == static_cast<std::uint64_t>(module.status().st_size));
        REQUIRE(description.signatures.size() == 3);
        CHECK(description.signatures[0].hash == "sha512"); // the last of the file first
        CHECK(description.signatures[0].signer == "ksign test key");
        CHECK(description.signatures[0].problem.empty());
        CHECK_FALSE(description.signatures[1].problem.empty());
        CHECK(description.signatures[1].size == odd.size());
        CHECK(description.signatures[2].hash == "sha256");
    }
}

TEST_CASE("what is compressed is kept as it is when a module is signed, again, and stripped", "[sign]") {
    const Bytes payload = make_module(300000);
    for (const ContainerKind kind : {ContainerKind::gzip, ContainerKind::xz, ContainerKind::zstd}) {
        INFO(container_name(kind));
        const Bytes content = packed(kind, payload);
        const ModuleFile module(content);
        static_cast<void>(module.sign());
        const auto signed_size = module.status().st_size;
        module.check_signed(payload, kind);
        static_cast<void>(module.sign({}, other_signer()));
        module.check_signed(payload, kind, other_signer());
        CHECK(std::abs(module.status().st_size - signed_size) < 16);
        CHECK(strip_signatures(module.path(), {}) == 1);
        CHECK((read_file(module.path()) == content));
    }
}

TEST_CASE("a module of many chunks is signed in each container", "[sign]") {
    const Bytes content = joined({compressible_bytes(1U << 20U), random_bytes(1U << 20U), Bytes(2U << 20U)});
    ElfForm form;
    form.content = content;
    const Bytes payload = make_elf(form);
    for (const ContainerKind kind : all_kinds()) {
        INFO(container_name(kind));
        const ModuleFile module(packed(kind, payload));
        SignOptions options;
        options.files.levels = {1, 0, 1};
        static_cast<void>(module.sign(options));
        module.check_signed(payload, kind);
        CHECK(strip_signatures(module.path(), options.files) == 1);
        CHECK((unpacked(module.path()) == payload));
    }
}

TEST_CASE("many modules are signed, each right, in order, and a failure stops none", "[sign]") {
    const TemporaryFolder folder;
    std::vector<std::filesystem::path> modules;
    constexpr std::size_t count = 70;
    for (std::size_t number = 0; number < count; ++number) {
        const auto kind = all_kinds()[number % all_kinds().size()];
        modules.push_back(folder / (std::to_string(number) + ".ko"));
        write_file(modules.back(), number == 3 ? bytes_of("text") : packed(kind, make_module(1000 + number)));
    }
    modules.push_back(modules[5]); // whose lock is held by then, perhaps by the same group
    modules.push_back(folder / "missing.ko");
    for (const unsigned threads : {1U, 2U, 8U}) {
        SignOptions options;
        options.hash = threads == 1 ? HashAlgorithm::sha256 : HashAlgorithm::sha512;
        options.force = threads == 8;
        std::size_t next = 0;
        sign_all(modules, signer(), options, {threads, {}}, [&](std::size_t index, const SignedModule& module) {
            CHECK(index == next++);
            const bool fails = index == 3 || index == count + 1;
            CHECK(module.error.has_value() == fails);
            CHECK(module.result.has_value() != fails);
        });
        CHECK(next == modules.size());
        CHECK(folder.entries() == count);
        for (std::size_t number = 0; number < count; ++number) {
            if (number != 3) {
                CHECK(sign_module(modules[number], signer(),
                                  [&] {
                                      SignOptions once = options;
                                      once.force = false;
                                      return once;
                                  }())
                          .outcome == SignOutcome::unchanged);
            }
        }
    }
}

TEST_CASE("a batch that is stopped leaves each module old or new, and nothing else", "[sign]") {
    const TemporaryFolder folder;
    std::vector<std::filesystem::path> modules;
    const Bytes payload = make_module();
    for (std::size_t number = 0; number < 40; ++number) {
        modules.push_back(folder / (std::to_string(number) + ".ko"));
        write_file(modules.back(), payload);
    }
    std::atomic<int> left{15};
    std::size_t done = 0;
    std::size_t not_begun = 0;
    sign_all(modules, signer(), {}, {2, [&left] { return left-- <= 0; }},
             [&](std::size_t index, const SignedModule& module) {
                 CHECK_FALSE(module.error);
                 (module.result ? done : not_begun) += 1;
                 CHECK((read_file(modules[index]) == payload) != module.result.has_value());
             });
    CHECK(done == 15);
    CHECK(not_begun == 25);
    CHECK(folder.entries() == modules.size());
}

TEST_CASE("levels are looked up by container", "[sign]") {
    const CompressionLevels levels{1, 2, 3};
    CHECK(levels.of(ContainerKind::gzip) == 1);
    CHECK(levels.of(ContainerKind::xz) == 2);
    CHECK(levels.of(ContainerKind::zstd) == 3);
    CHECK(levels.of(ContainerKind::plain) == 0);
}
