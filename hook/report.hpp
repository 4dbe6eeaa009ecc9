// All that ksign prints. The rules:
//
// - stdout has results, one line a module, or one JSON document with --json. Nothing else ever goes there.
// - stderr has diagnostics: "ksign: PATH: what failed: why", and where a person can act on it, "  hint: what to do".
// - No PIN: a pkcs11: URI is shown by displayed_key(), and what repeats an argument has its PIN taken out.
// - A line is whole or absent: control characters in names, those of Unicode for the direction of text too, and bytes
//   that are not UTF-8, are written as \xNN, so that no name can forge a line.
// - JSON is one object with "schema", which grows only by new fields, and "modules", an array in the order of the
//   arguments. A module that failed is in it, with "error". Names that are not UTF-8 have U+FFFD for what is not.
// - What a kernel would refuse is a result, not a diagnostic: its line says so on stdout, and the exit code is 1. What
//   it would say and nobody can know here is one, too.
// - Progress goes to stderr, where that is a terminal and stdout is none. A message takes its line away first.
// - A summary closes a batch in which something failed.
#pragma once

#include <ksign/audit.hpp>
#include <ksign/error.hpp>
#include <ksign/module.hpp>
#include <ksign/sign.hpp>
#include <ksign/signer.hpp>
#include <ksign/verdict.hpp>

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

namespace ksign::hook {

/// Who gives verdicts, and what it was told that the kernel trusts.
struct JudgeChoice {
    TrustedKeys keys;
    Judge judge;
};

/// How results are written.
enum class OutputForm { lines, json };

/// "ksign: …" and its hint, on stderr.
void print_error(const Error& error);
/// A remark that is no failure, on stderr.
void print_note(std::string_view text);

/// The results of one run over modules. Each call writes one module's.
class ModuleReport {
  public:
    explicit ModuleReport(OutputForm form) : form_(form) {}

    void signed_module(const std::filesystem::path& module, const SignResult& result, const Signer& signer,
                       HashAlgorithm hash, bool dry_run);
    void stripped_module(const std::filesystem::path& module, std::size_t signatures, bool dry_run);
    void described_module(const std::filesystem::path& module, const ModuleDescription& description);
    void judged_module(const std::filesystem::path& module, const Verdict& verdict);
    /// What was known of the kernel: notes now, and in JSON a field of its own at the end.
    void judged_by(const JudgeChoice& choice);
    void failed(const std::filesystem::path& module, const Error& error);

    /// Ends the document. Returns the exit code: 1 if anything failed.
    [[nodiscard]] int finish();

  private:
    void add_json(const std::string& object);

    OutputForm form_;
    std::size_t done_ = 0;
    std::size_t failed_ = 0;
    std::size_t refused_ = 0;
    std::size_t unknown_ = 0; ///< Whether they load.
    std::string kernel_;      ///< JSON
};

/// What an audit found. Returns the exit code: 1 if the kernel is not known to be safe to boot with signatures
/// enforced.
[[nodiscard]] int print_audit(OutputForm form, const Kernel& kernel, const JudgeChoice& choice,
                              const AuditResult& result);

/// "1234 of 5678, 812 a second, 5 s left", on one line of a terminal, cut to its width; nothing where there is none to
/// see it, or one that can't take a line away (TERM=dumb). There is one at a time.
class Progress {
  public:
    Progress();
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;
    /// Takes the line away.
    ~Progress();
    void at(std::size_t done, std::size_t total);

  private:
    bool visible_;
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
    std::chrono::steady_clock::time_point next_;
};

} // namespace ksign::hook
