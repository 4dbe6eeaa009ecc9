#include "key_report.hpp"

#include "options.hpp"
#include "output.hpp"

#include <ksign/shell.hpp>

#include <algorithm>
#include <array>
#include <ctime>
#include <iomanip>
#include <iostream>

namespace ksign::hook {
namespace {

using TimePoint = std::chrono::system_clock::time_point;

/// "2026-11-24 14:05", local time.
std::string date_text(TimePoint time) {
    const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
    std::tm fields{};
    ::localtime_r(&seconds, &fields);
    std::array<char, 32> text{};
    static_cast<void>(std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M", &fields));
    return text.data();
}

/// "2026-11-24T13:05:00Z".
std::string json_time(TimePoint time) {
    const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
    std::tm fields{};
    ::gmtime_r(&seconds, &fields);
    std::array<char, 32> text{};
    static_cast<void>(std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &fields));
    return text.data();
}

std::string age_text(TimePoint made) {
    const auto hours = std::chrono::duration_cast<std::chrono::hours>(std::chrono::system_clock::now() - made).count();
    if (hours < 0) {
        return "in the future";
    }
    const auto days = hours / 24;
    return days > 0 ? std::to_string(days) + (days == 1 ? " day" : " days")
                    : std::to_string(hours) + (hours == 1 ? " hour" : " hours");
}

bool is_good(const KeySurvey& survey) {
    return survey.problem.empty() && !survey.obstacle && survey.unsafe.empty();
}

std::string survey_object(const KeySurvey& survey) {
    JsonObject object;
    object.text("release", survey.release);
    if (!survey.problem.empty()) {
        return object.text("problem", survey.problem).text("remedy", survey.remedy).done();
    }
    object.flag("has_key", survey.location.has_value());
    if (!survey.location) {
        return object.done();
    }
    object.text("origin", survey.location->origin)
        .text("key", survey.location->key)
        .text("certificate", survey.location->certificate.string())
        .flag("has_private_key", survey.has_private_key)
        .text("type", survey.key_type);
    if (survey.hash) {
        object.text("hash", hash_name(*survey.hash));
    }
    object.text("signer", survey.signer)
        .text("serial", survey.serial)
        .text("fingerprint_sha256", survey.fingerprint)
        .text("made", json_time(survey.made));
    if (survey.refresh_due) {
        object.text("refresh_due", json_time(*survey.refresh_due));
    }
    if (survey.trusted_by_config) {
        object.flag("trusted_by_config", *survey.trusted_by_config);
    }
    object.flag("verifiable", !survey.obstacle.has_value());
    if (survey.obstacle) {
        object.text("obstacle", survey.obstacle->reason).text("remedy", survey.obstacle->remedy);
    }
    std::vector<std::string> unsafe;
    for (const std::string& each : survey.unsafe) {
        unsafe.push_back(json_string(each));
    }
    return object.raw("unsafe", json_array(unsafe)).done();
}

void print_field(const char* name, const std::string& value) {
    std::cout << "  " << std::left << std::setw(13) << name << one_line(value) << '\n';
}

void print_survey(const KeySurvey& survey) {
    std::cout << one_line(survey.release) << '\n';
    if (!survey.problem.empty()) {
        print_field("problem:", survey.problem);
        if (!survey.remedy.empty()) {
            print_field("", survey.remedy);
        }
        return;
    }
    if (!survey.location) {
        print_field("key:", "none of its own");
        return;
    }
    print_field("key:", survey.location->key + (survey.has_private_key ? "" : " (not there: the certificate alone)"));
    print_field("type:", survey.key_type + (survey.hash ? ", " + std::string(hash_name(*survey.hash)) : std::string()));
    print_field("signer:", survey.signer + ", serial " + survey.serial);
    print_field("fingerprint:", "SHA-256 " + survey.fingerprint);
    print_field("made:", date_text(survey.made) + " (" + age_text(survey.made) + ")" +
                             (survey.refresh_due ? ", to be renewed from " + date_text(*survey.refresh_due) : ""));
    print_field("trusted:", !survey.trusted_by_config   ? "not known: the kernel's configuration is not here"
                            : *survey.trusted_by_config ? "the kernel's configuration names it"
                                                        : "the kernel's configuration does not name it; a MOK may be");
    if (survey.obstacle) {
        print_field("of no use:", survey.obstacle->reason);
        print_field("", survey.obstacle->remedy);
    }
    for (const std::string& each : survey.unsafe) {
        print_field("unsafe:", each);
    }
}

bool is_enrolled(const Enrollment& enrollment) {
    return enrollment.survey.state == MokState::enrolled || enrollment.survey.state == MokState::in_db;
}

bool has_firmware(const Enrollment& enrollment) {
    return enrollment.survey.state != MokState::no_firmware;
}

std::string enrollment_object(const Enrollment& enrollment) {
    const KernelCertificate& certificate = enrollment.certificate;
    const MokSurvey& survey = enrollment.survey;
    JsonObject object;
    object.text("certificate", enrollment.source)
        .text("signer", certificate.name())
        .text("serial", certificate.serial())
        .text("key", certificate.key_description())
        .text("sha256", certificate.fingerprint())
        .text("state", mok_state_name(survey.state))
        .flag("imported", enrollment.imported);
    if (enrollment.der) {
        object.text("der", enrollment.der->string()).flag("der_written", enrollment.der_written);
    }
    if (!has_firmware(enrollment)) {
        return object.done();
    }
    object.flag("secure_boot", survey.secure_boot)
        .text("kernel", enrollment.release)
        .text("keyring", keyring_name(survey.keyring))
        .text("keyring_reason", survey.keyring_reason)
        .flag("trusted_for_modules", survey.obstacles.empty());
    std::vector<std::string> obstacles;
    for (const VerifyObstacle& obstacle : survey.obstacles) {
        obstacles.push_back(JsonObject().text("reason", obstacle.reason).text("remedy", obstacle.remedy).done());
    }
    object.raw("obstacles", json_array(obstacles)).text("mokutil", enrollment.mokutil);
    std::vector<std::string> notes;
    for (const std::string& note : survey.notes) {
        notes.push_back(json_string(note));
    }
    return object.raw("notes", json_array(notes)).done();
}

std::string_view state_text(MokState state) {
    switch (state) {
    case MokState::no_firmware:
        return "not enrolled: this machine was not started by UEFI firmware, so it has no machine owner keys";
    case MokState::enrolled:
        return "enrolled (MokList)";
    case MokState::in_db:
        return "in the firmware's own list (db)";
    case MokState::requested:
        return "not yet enrolled: requested, to be confirmed at the next boot";
    case MokState::revoked:
        return "revoked (dbx or MokListX)";
    case MokState::unknown:
        return "not known: the firmware's variables can't all be read";
    case MokState::absent:
        return "not enrolled";
    }
    return "";
}

/// What is left to do by hand.
void print_enrollment_steps(const Enrollment& enrollment) {
    const MokState state = enrollment.survey.state;
    if (state == MokState::no_firmware) {
        std::cout
            << "  Its kernel trusts what is built into it alone: ksign config update has it trust a key of yours.\n";
        return;
    }
    if (is_enrolled(enrollment) || state == MokState::revoked) {
        return;
    }
    std::cout << "To enroll it:\n";
    if (state != MokState::requested && !enrollment.imported) {
        std::cout << "  mokutil --import " << one_line(enrollment.der ? shell_path(*enrollment.der) : "FILE")
                  << "    as root; choose a password, which is asked for once more\n";
    }
    std::cout << "  reboot    the blue screen of MokManager comes up and waits 10 seconds for a key:\n"
                 "            Enroll MOK, Continue, Yes, that password, Reboot\n"
                 "  "
              << one_line(enrollment.command) << "    says that it is enrolled\n";
}

std::string finding_object(const ConfigFinding& finding) {
    return JsonObject()
        .text("option", "CONFIG_" + finding.option)
        .text("level", finding.must ? "must" : "advice")
        .flag("good", finding.good)
        .text("now", finding.now)
        .text("wanted", finding.wanted)
        .text("why", finding.why)
        .done();
}

/// A value that would burst its column, cut; --json has all of it.
std::string fitted(const std::string& value) {
    constexpr std::size_t widest = 24;
    return value.size() <= widest ? one_line(value) : "..." + one_line(value.substr(value.size() - widest + 3));
}

void print_findings(const std::vector<ConfigFinding>& findings) {
    const auto widest = [&findings](const char* title, const auto& text) {
        std::size_t size = std::string_view(title).size();
        for (const ConfigFinding& finding : findings) {
            size = std::max(size, text(finding).size());
        }
        return static_cast<int>(size) + 2;
    };
    const auto option = [](const ConfigFinding& finding) { return one_line("CONFIG_" + finding.option); };
    const auto now = [](const ConfigFinding& finding) { return fitted(finding.now); };
    const auto wanted = [](const ConfigFinding& finding) { return fitted(finding.wanted); };
    const std::array<int, 4> widths{8, widest("option", option), widest("now", now), widest("wanted", wanted)};
    const auto print_row = [&widths](const std::array<std::string, 5>& cells) {
        std::cout << "  " << std::left;
        for (std::size_t index = 0; index < widths.size(); ++index) {
            std::cout << std::setw(widths[index]) << cells[index];
        }
        std::cout << cells.back() << '\n';
    };
    print_row({"", "option", "now", "wanted", "why"});
    for (const ConfigFinding& finding : findings) {
        print_row({finding.good   ? "ok"
                   : finding.must ? "MUST"
                                  : "advice",
                   option(finding), now(finding), wanted(finding), one_line(finding.why)});
    }
}

} // namespace

void print_refresh(const RefreshResult& result) {
    std::cout << one_line(result.current.path.string()) << ": "
              << (result.made ? "new key (" : "the current key stays (") << key_kind_name(result.current.kind) << ", "
              << (result.current.hash ? hash_name(*result.current.hash) : "no hash") << ", serial "
              << result.current.serial << "): " << one_line(result.reason) << '\n';
    for (const std::filesystem::path& folder : result.pruned) {
        std::cout << one_line(folder.string()) << ": removed\n";
    }
}

void print_installed(const KeyFolder& key, const KeyInstallRequest& request) {
    std::cout << one_line(request.destination.string()) << ": "
              << (request.public_only ? "certificate" : "key and certificate") << " installed ("
              << key_kind_name(key.kind) << ", serial " << key.serial << ")\n";
}

void print_config_update(const std::filesystem::path& config, const TrustedKeysResult& result, bool dry_run) {
    std::cout << one_line(config.string()) << ": "
              << (!result.changed ? "trusts already "
                  : dry_run       ? "would trust "
                                  : "now trusts ")
              << one_line(result.trusted.string());
    if (result.other_certificates > 0) {
        std::cout << " (and " << result.other_certificates << " other certificate"
                  << (result.other_certificates == 1 ? "" : "s") << " in it)";
    }
    std::cout << '\n';
}

int print_surveys(const std::vector<KeySurvey>& surveys, OutputForm form) {
    if (form == OutputForm::json) {
        std::vector<std::string> objects;
        objects.reserve(surveys.size());
        for (const KeySurvey& survey : surveys) {
            objects.push_back(survey_object(survey));
        }
        std::cout << JsonObject().number("schema", json_schema).raw("kernels", json_array(objects)).done() << '\n';
    } else {
        std::for_each(surveys.begin(), surveys.end(), print_survey);
    }
    return std::all_of(surveys.begin(), surveys.end(), is_good) ? exit_done : exit_failed;
}

int print_enrollment(const Enrollment& enrollment, OutputForm form) {
    const KernelCertificate& certificate = enrollment.certificate;
    const MokSurvey& survey = enrollment.survey;
    if (form == OutputForm::json) {
        std::cout << JsonObject().number("schema", json_schema).raw("enrollment", enrollment_object(enrollment)).done()
                  << '\n';
    } else {
        std::cout << one_line(enrollment.source) << '\n';
        print_field("signer:", certificate.name() + ", serial " + certificate.serial());
        print_field("type:", certificate.key_description());
        print_field("state:", std::string(state_text(survey.state)));
        if (enrollment.der) {
            print_field("DER:", enrollment.der->string() + (enrollment.der_written ? " (written)" : ""));
        }
        if (!enrollment.mokutil.empty()) {
            print_field("mokutil:", enrollment.mokutil);
        }
        if (has_firmware(enrollment)) {
            print_field("keyring:", std::string(keyring_name(survey.keyring)) + " of kernel " + enrollment.release +
                                        ": " + survey.keyring_reason);
            print_field("modules:", survey.obstacles.empty()
                                        ? std::string("this kernel trusts what it signs") +
                                              (is_enrolled(enrollment) ? "" : ", once it is enrolled")
                                        : "this kernel does not trust what it signs:");
        }
        for (const VerifyObstacle& obstacle : survey.obstacles) {
            print_field("", obstacle.reason);
            print_field("", "  " + obstacle.remedy);
        }
        print_enrollment_steps(enrollment);
        for (const std::string& note : survey.notes) {
            print_note(note);
        }
    }
    return is_enrolled(enrollment) || enrollment.imported ? exit_done : exit_failed;
}

void ConfigReport::checked(const std::filesystem::path& config, const std::vector<ConfigFinding>& findings,
                           std::size_t changed) {
    const auto missing = std::count_if(findings.begin(), findings.end(),
                                       [](const ConfigFinding& finding) { return finding.must && !finding.good; });
    good_ = good_ && missing == 0;
    if (form_ == OutputForm::json) {
        std::vector<std::string> objects;
        objects.reserve(findings.size());
        for (const ConfigFinding& finding : findings) {
            objects.push_back(finding_object(finding));
        }
        objects_.push_back(JsonObject()
                               .text("path", config.string())
                               .flag("good", missing == 0)
                               .number("lines_changed", changed)
                               .raw("findings", json_array(objects))
                               .done());
        return;
    }
    std::cout << one_line(config.string()) << ": "
              << (missing == 0 ? "all that must be is there" : std::to_string(missing) + " missing that must be there");
    if (changed > 0) {
        std::cout << "; " << changed << " line" << (changed == 1 ? "" : "s") << " changed, now run make olddefconfig";
    }
    std::cout << '\n';
    print_findings(findings);
}

void ConfigReport::failed(const std::filesystem::path& config, const Error& error) {
    good_ = false;
    print_error(error);
    if (form_ == OutputForm::json) {
        objects_.push_back(JsonObject().text("path", config.string()).raw("error", error_object(error)).done());
    }
}

int ConfigReport::finish() {
    if (form_ == OutputForm::json) {
        std::cout << JsonObject().number("schema", json_schema).raw("configs", json_array(objects_)).done() << '\n';
    }
    return good_ ? exit_done : exit_failed;
}

} // namespace ksign::hook
