// Finds in a kernel proper, as it streams by, what certs/system_certificates.S and its kin put there.
#pragma once

#include <ksign/kernel_certificate.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace ksign {

/// A search over a stream, in a window of a few MiB.
class CertificateSearch {
  public:
    struct Result {
        std::vector<KernelCertificate> builtin;
        std::vector<KernelCertificate> revoked;
        std::vector<KernelCertificate> others;
        std::string banner;            ///< linux_banner; empty if none.
        std::vector<std::byte> config; ///< What CONFIG_IKCONFIG embeds (kernel/configs.c), compressed; empty if none.
    };

    explicit CertificateSearch(std::string subject) : subject_(std::move(subject)) {}
    void take(std::span<const std::byte> bytes);
    /// To be called once, at the end. Throws Error (limit) if there is too much that looks like a certificate.
    [[nodiscard]] Result finish();

  private:
    /// Certificates that stand one after the other.
    struct Run {
        std::vector<KernelCertificate> certificates;
        bool has_list_size = false;   ///< The list's size follows.
        bool has_module_size = false; ///< Then the size of the first certificate.
    };

    void search(bool at_end);
    void search_certificates(std::span<const std::byte> window, std::size_t end);
    void search_texts(std::span<const std::byte> window, std::size_t end);
    [[nodiscard]] std::size_t read_run(std::span<const std::byte> bytes, Run& run);

    std::string subject_;
    std::vector<std::byte> window_;
    std::size_t skip_ = 0; ///< Bytes at the window's start that belong to a run that was read already.
    std::size_t attempts_ = 0;
    std::vector<Run> runs_;
    Result result_;
};

} // namespace ksign
