// What a kernel would say to a module, by its own rules, and why.
#pragma once

#include <ksign/container.hpp>
#include <ksign/error.hpp>
#include <ksign/export.hpp>
#include <ksign/kernel_facts.hpp>
#include <ksign/trust.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ksign {

enum class Answer {
    loads,
    taints, ///< It loads, and taints the kernel: "module verification failed: signature and/or required key missing".
    refused,
    unknown, ///< What the kernel trusts is not known well enough, as where root alone may read it.
};

/// "loads", "taints", "refused", "unknown".
[[nodiscard]] KSIGN_EXPORT std::string_view answer_name(Answer answer) noexcept;

/// What a kernel says to one module.
struct Verdict {
    Answer answer{};
    int error = 0;          ///< errno's value that user space sees; 0 unless refused.
    std::string error_name; ///< "EKEYREJECTED"
    std::string error_text; ///< "Key was rejected by service", as modprobe writes it.
    std::string console;    ///< What the kernel prints about it, without what printk puts before; empty if nothing.
    std::string rule;       ///< The kernel's function that decides: "module_sig_check".
    std::string reason;     ///< Why, for people.
    std::string remedy;     ///< What to do; empty if it just loads.

    ContainerKind container{};
    std::string signer;                ///< The issuer's common name, or the key's where it is known; empty if unsigned.
    std::string serial;                ///< "0A:1B:…", or the key identifier.
    std::string hash;                  ///< "sha512"
    std::string key;                   ///< The trusted certificate that verifies it; empty if none.
    std::string trust_origin;          ///< Where the kernel has that from.
    std::optional<Keyring> keyring;    ///< Which keyring holds it.
    std::vector<std::string> warnings; ///< What the signature does not decide: vermagic and the like.
};

/// Says what one kernel would answer. May be used by several threads at once.
class KSIGN_EXPORT Judge {
  public:
    Judge(KernelFacts facts, TrustedKeys keys);
    Judge(Judge&& other) noexcept;
    Judge& operator=(Judge&& other) noexcept;
    ~Judge();

    /// Throws Error if the file can't be read (system, usage), is larger than @p max_payload (limit), or has a
    /// signature that this OpenSSL does not know (crypto).
    [[nodiscard]] Verdict judge(const std::filesystem::path& module,
                                std::uint64_t max_payload = usual_max_payload) const;

    /// As above, of a module that is no file of its own: one in an initramfs. @p name stands for its path.
    [[nodiscard]] Verdict judge_bytes(std::span<const std::byte> module, const std::filesystem::path& name,
                                      std::uint64_t max_payload = usual_max_payload) const;

    [[nodiscard]] const std::vector<UnusableKey>& unusable_keys() const noexcept;
    [[nodiscard]] const KernelFacts& facts() const noexcept;

    /// For libksign itself.
    struct Parts;

  private:
    std::unique_ptr<Parts> parts_;
};

/// What became of one module of many: a verdict, or the error that stood in its way.
struct JudgedModule {
    std::optional<Verdict> verdict;
    std::optional<Error> error;
};

/// Judges many modules, several at a time.
/// @param threads  how many at a time; 0: as many as the machine has processors
/// @param done     called by this thread, in the order of the modules, soon after each is known. What it throws ends
/// all.
KSIGN_EXPORT void judge_all(const Judge& judge, const std::vector<std::filesystem::path>& modules, unsigned threads,
                            std::uint64_t max_payload,
                            const std::function<void(std::size_t, const JudgedModule&)>& done);

} // namespace ksign
