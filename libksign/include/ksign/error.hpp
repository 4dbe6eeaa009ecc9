// The one exception type of libksign.
#pragma once

#include <ksign/export.hpp>

#include <exception>
#include <string>
#include <string_view>

namespace ksign {

/// What kind of thing went wrong, for callers that decide by it. People read Error::what().
enum class ErrorCode {
    usage,               ///< The caller asked for something that makes no sense.
    system,              ///< A system call failed; the reason holds errno's text.
    not_a_module,        ///< Not an ELF relocatable file, or a truncated one.
    malformed_signature, ///< A signature trailer that is truncated or lies.
    container,           ///< Compressed data that does not decode.
    limit,               ///< A limit on size was exceeded.
    key,                 ///< A private key can't be read or used.
    certificate,         ///< A certificate can't be read, or does not match its key.
    no_key,              ///< A kernel has no signing key.
    kernel,              ///< A kernel can't verify what was asked for, or is not there.
    crypto,              ///< OpenSSL refused an operation.
};

/// An error: what it is about, what failed and why, and where a person can act on it, what to do.
/// what() reads "subject: reason"; the reason is "what failed: why".
class KSIGN_EXPORT Error : public std::exception {
  public:
    Error(ErrorCode code, std::string subject, std::string reason, std::string remedy = {});
    Error(const Error&) = default;
    Error(Error&&) = default;
    Error& operator=(const Error&) = default;
    Error& operator=(Error&&) = default;
    ~Error() override;

    /// An error of a system call, from errno's value; the reason is "action: errno's text".
    [[nodiscard]] static Error from_errno(std::string_view subject, std::string_view action, int error_number,
                                          std::string remedy = {});

    [[nodiscard]] const char* what() const noexcept override { return message_.c_str(); }
    [[nodiscard]] ErrorCode code() const noexcept { return code_; }
    /// Usually a path.
    [[nodiscard]] const std::string& subject() const noexcept { return subject_; }
    [[nodiscard]] const std::string& reason() const noexcept { return reason_; }
    /// What to do about it; empty where nothing useful can be said.
    [[nodiscard]] const std::string& remedy() const noexcept { return remedy_; }
    /// what(), and the remedy after "; ": for lists of problems and notes, where each is one text.
    [[nodiscard]] std::string with_remedy() const;
    /// Whether a system call failed since this user may not do that (EACCES): another may.
    [[nodiscard]] bool is_denied() const noexcept { return denied_; }
    /// The same error with something to do, if it has nothing yet.
    [[nodiscard]] Error or_remedy(const std::string& remedy) const;

  private:
    ErrorCode code_;
    std::string subject_;
    std::string reason_;
    std::string remedy_;
    std::string message_;
    bool denied_ = false;
};

/// What to do about an error that is_denied() where reading is all that was tried.
inline constexpr const char* run_as_root = "run it as root";

} // namespace ksign
